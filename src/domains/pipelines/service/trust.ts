import type { Ctx } from '../../../kernel/ctx.ts';
import { hasUsers } from '../../access/public.ts';
import type { StepDefinition } from '../../projects/public.ts';
import { fail } from '../errors.ts';

/**
 * A step runs as the server's own operating-system user and can read all that the server can. Where logins
 * keep people apart, somebody has to have said that this is wanted. Raises `process-engine-not-trusted`.
 */
export async function requireTrust(ctx: Ctx, steps: readonly StepDefinition[]): Promise<void> {
  if (ctx.settings.trustProcessEngine || !steps.some((step) => step.kind === 'run')) return;
  if (await hasUsers(ctx.db)) fail('process-engine-not-trusted', {});
}
