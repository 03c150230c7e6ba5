// Rehearsals: a share of the requests that a variant answers fails on purpose, so that one can see a canary being
// rolled back. Which ones is a matter of the request alone, so that a replay fails the same ones again.
import { hash } from 'node:crypto';
import type { PlanVariant } from '../schema.ts';

/** The tag of a model version that asks for it; heeded only with GYRE_FAULT_INJECTION. */
const FAULT_TAG = 'gyre.fault.error_rate';

export interface FaultyRequest {
  readonly salt: string;
  readonly assignmentKey: string | null;
  readonly eventTimeUs: number;
  readonly request: readonly unknown[];
}

/** Why this request fails, or undefined. By its assignment key; without one, by its event time and content. */
export function injectedFault(
  { fault, modelVersion }: PlanVariant,
  { salt, assignmentKey, eventTimeUs, request }: FaultyRequest,
): string | undefined {
  if (!fault) return undefined;
  const key = assignmentKey ?? `${eventTimeUs}\u0000${JSON.stringify(request)}`;
  const digest = hash('sha256', `fault\u0000${salt}\u0000${modelVersion}\u0000${key}`, 'hex');
  const uniform = Number.parseInt(digest.slice(0, 13), 16) / 2 ** 52;
  return uniform < fault.errorRate ? `injected fault: ${FAULT_TAG}=${fault.errorRate} of version ${modelVersion}` : undefined;
}

/** The share that a tag asks for; undefined if it is not a number above 0 and up to 1. */
export function faultOf(tags: readonly { readonly key: string; readonly value: string }[]): PlanVariant['fault'] {
  const errorRate = Number(tags.find((t) => t.key === FAULT_TAG)?.value ?? 0);
  return errorRate > 0 && errorRate <= 1 ? { errorRate } : undefined;
}
