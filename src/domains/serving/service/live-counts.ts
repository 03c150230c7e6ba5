// What the data planes have answered since they began, asked of them directly.
import type { Ctx } from '../../../kernel/ctx.ts';
import { internalToken, servingKey } from '../plan.ts';
import type { VariantCount } from '../batching/variant-counts.ts';
import type { PlanAck } from '../schema.ts';

/** Counts of all variants by revision; a data plane that does not answer has none. */
export async function liveCounts(ctx: Ctx, planes: readonly PlanAck[]): Promise<VariantCount[]> {
  const headers = { authorization: `Bearer ${internalToken(servingKey(ctx.settings.dir))}` };
  const found = await Promise.all(
    planes.map(async ({ url }) => {
      try {
        const reply = await fetch(`${url}/internal/counts`, { headers, signal: AbortSignal.timeout(2000) });
        return reply.ok ? ((await reply.json()) as { items: VariantCount[] }).items : [];
      } catch {
        return [];
      }
    }),
  );
  return found.flat();
}
