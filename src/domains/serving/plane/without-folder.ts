// A data plane that was given no folder: nothing is planned, nothing is logged, and nothing is written to a disk.
import { newId } from '../../../kernel/ids.ts';
import type { InferenceLog } from '../log/inference-log.ts';
import type { PlanToken } from '../schema.ts';
import type { LivePlan, PlanFollower } from './live-plan.ts';

const nothing: LivePlan = { number: 0, access: undefined, tokens: new Map(), endpoints: new Map() };

export const withoutPlan = (): PlanFollower => ({
  current: () => nothing,
  refresh: () => Promise.resolve(),
  acknowledge: () => undefined,
  close: () => Promise.resolve(),
});

/** Ids as in any log, so that an answer has one; nobody finds anything under them. */
export function withoutLog(replica: string): InferenceLog {
  const segment = newId('seg').replace(/\W/g, '');
  let next = 0;
  const id = (): string => `${replica}.${segment}.${next++}`;
  return {
    append: (entries) => entries.map(id),
    unrecorded: id,
    seal: () => Promise.resolve([]),
    state: () => ({ dropped: 0, dropping: 'no', written: 0 }),
    close: () => Promise.resolve(),
  };
}

/** The plan's word on access with tokens beside it, which are then asked for also on the loopback address. */
export function withTokens(current: () => LivePlan, tokens: readonly PlanToken[] | undefined): () => LivePlan {
  if (tokens === undefined) return current;
  let from: LivePlan | undefined;
  let merged = nothing;
  return () => {
    const plan = current();
    if (plan !== from) {
      from = plan;
      merged = {
        ...plan,
        access: { open: false, tokens: [...(plan.access?.tokens ?? []), ...tokens] },
        tokens: new Map([...plan.tokens, ...tokens.map((token) => [token.digest, token] as const)]),
      };
    }
    return merged;
  };
}
