// Rows on their way through the predictor: which variant answers them, which run together, and what is written of each.
import type { Patience } from './tensor-runner.ts';
import { fail } from '../errors.ts';
import type { Entry } from '../log/inference-log.ts';
import type { Assignment } from '../log/record.ts';
import { scoreAt, type OutputColumn } from '../runtime/onnx-runtime.ts';
import { assignVariant } from '../plane/assignment.ts';
import { keyToLog, withoutPersonal, type LiveEndpoint, type LiveVariant, type Prepared } from '../plane/endpoint.ts';
import { injectedFault } from '../plane/fault-injection.ts';

export interface Call {
  readonly endpoint: LiveEndpoint;
  readonly rows: readonly Prepared[];
  readonly eventTimeUs: number;
  /** The caller named a model version. */
  readonly pinned: LiveVariant | undefined;
  /** Model outputs wanted beside the score; the same for all variants. */
  readonly outputs: readonly string[];
  readonly patience?: Patience;
}

export interface PredictedRow {
  readonly id: string;
  readonly score: number;
  readonly variant: LiveVariant;
  /** Values of a wanted output for this row. */
  readonly output: (name: string) => {
    readonly type: string;
    readonly shape: readonly number[];
    readonly values: readonly (number | bigint | string | boolean)[];
  };
}

export interface Pending {
  readonly call: Call;
  readonly began: number;
  readonly items: Item[];
  readonly resolve: (rows: PredictedRow[]) => void;
  readonly reject: (error: unknown) => void;
}

export interface Item {
  readonly pending: Pending;
  readonly prepared: Prepared;
  readonly variant: LiveVariant;
  readonly assignment: Assignment;
  result: { columns: Map<string, OutputColumn>; row: number } | undefined;
  error: string | null;
}

const MAX_BATCH = 256;

export function choose({ endpoint, pinned }: Call, { assignmentKey }: Prepared): { variant: LiveVariant; assignment: Assignment } {
  if (pinned) return { variant: pinned, assignment: 'pinned' };
  const { variants, plan } = endpoint;
  const only = variants[0]!;
  const assignment: Assignment = assignmentKey === null || plan.perRequest ? 'random' : 'sticky';
  if (variants.length === 1) return { variant: only, assignment };
  const chosen = assignVariant(plan.variants, plan.salt, assignment === 'sticky' ? assignmentKey! : String(Math.random()));
  return { variant: variants.find((v) => v.plan === chosen) ?? only, assignment };
}

export function batchesOf(turn: readonly Pending[]): Item[][] {
  // By variant, not by session: two endpoints may read different columns into the same model.
  const groups = new Map<LiveVariant, Item[]>();
  for (const pending of turn)
    for (const item of pending.items) {
      if (item.error !== null) continue;
      const group = groups.get(item.variant);
      if (group) group.push(item);
      else groups.set(item.variant, [item]);
    }
  const batches: Item[][] = [];
  for (const [variant, items] of groups) {
    const size = variant.session.batches ? (variant.session.placement?.maxRows ?? MAX_BATCH) : 1;
    for (let i = 0; i < items.length; i += size) batches.push(items.slice(i, i + size));
  }
  return batches;
}

export function isInTime({ call, reject }: Pending, now: number): boolean {
  if ((call.patience?.deadlineMs ?? Infinity) > now) return true;
  try {
    fail('serving-deadline-exceeded', {});
  } catch (problem) {
    reject(problem);
  }
  return false;
}

export const columnOf = (items: readonly Item[]) => (input: number) =>
  items.map(({ prepared, variant }) => prepared.vector[variant.slots[input]!] ?? null);

export function wantedOf(items: readonly Item[]): string[] {
  const wanted = new Set([items[0]!.pending.call.endpoint.plan.output.score]);
  for (const item of items) for (const name of item.pending.call.outputs) wanted.add(name);
  return [...wanted];
}

export const wordsOf = (error: unknown): string => (error instanceof Error ? error.message.slice(0, 500) : 'the model failed');

export const faultOf = ({ endpoint, eventTimeUs }: Call, { assignmentKey, request }: Prepared, { plan }: LiveVariant): string | null =>
  injectedFault(plan, { salt: endpoint.plan.salt, assignmentKey, eventTimeUs, request }) ?? null;

export const scoreOf = ({ result, pending }: Item): number =>
  scoreAt(result!.columns.get(pending.call.endpoint.plan.output.score)!, result!.row);

export function slice({ result }: Item, name: string) {
  const { columns, row } = result!;
  const { type, shape, width, values } = columns.get(name)!;
  return { type, shape: shape.slice(1), values: Array.from({ length: width }, (_, i) => values[row * width + i]!) };
}

function stagesOf({ call }: Pending): Pick<Entry['body'], 'stagesUs'> {
  const laps = call.patience?.laps;
  if (!laps) return {};
  return { stagesUs: { parse: us(laps.parse), features: us(laps.features), queue: us(laps.queue), model: us(laps.model) } };
}

const us = (ms: number): number => Math.round(ms * 1000);

export function entryOf(item: Item, recordedMs: number, latencyUs: number): Entry {
  const { prepared, variant, pending, assignment, error } = item;
  const { endpoint, eventTimeUs } = pending.call;
  const inputs = variant.slots.map((slot) => prepared.vector[slot] ?? null);
  const score = item.result ? scoreOf(item) : null;
  return {
    definition: variant.definition,
    body: {
      eventTimeUs,
      recordedMs,
      latencyUs,
      ...stagesOf(pending),
      assignmentKey: keyToLog(endpoint, prepared.assignmentKey),
      assignment,
      request: withoutPersonal(endpoint, prepared.request, (i) => i),
      facts:
        endpoint.personal.size === 0
          ? prepared.facts
          : prepared.facts.map(
              (f, v) => f && { ...f, values: withoutPersonal(endpoint, f.values, (i) => endpoint.views[v]!.firstSlot + i) },
            ),
      inputs: withoutPersonal(endpoint, inputs, (i) => variant.slots[i]!),
      score: score !== null && Number.isFinite(score) ? score : null,
      error,
    },
  };
}

export function countBy(items: readonly Item[]): [string, number][] {
  if (items.length === 1) return [[items[0]!.variant.plan.id, 1]];
  const counts = new Map<string, number>();
  for (const { variant } of items) counts.set(variant.plan.id, (counts.get(variant.plan.id) ?? 0) + 1);
  return [...counts];
}
