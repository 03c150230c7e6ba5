// Which variants fail on purpose, as the plan on disk says.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { readPlan } from '../../serving/public.ts';

export interface PlannedFault {
  readonly endpoint: string;
  readonly variant: string;
  readonly errorRate: number;
}

/** A plan that cannot be read has none; who serves it says so elsewhere. */
export function plannedFaults(ctx: Ctx): PlannedFault[] {
  try {
    const own = (readPlan(ctx.settings.dir)?.endpoints ?? []).filter((e) => e.workspace === ctx.workspace);
    return own.flatMap((e) => e.variants.flatMap((v) => (v.fault ? [{ endpoint: e.name, variant: v.id, ...v.fault }] : [])));
  } catch (error) {
    if (!isProblem(error, 'plan-invalid')) throw error;
    return [];
  }
}
