// Predictions of one event-loop turn run together: rows for the same model become one batch, all records
// are appended with one write, and only then the callers get their answers. Nothing waits for more rows to
// come; a lone request is a batch of one.
import { assignVariant } from './assignment.ts';
import { isAboutSuppressed, keyToLog, withoutPersonal, type LiveEndpoint, type LiveVariant, type Prepared } from './endpoint.ts';
import { injectedFault } from './fault-injection.ts';
import { fail } from '../errors.ts';
import type { Entry, InferenceLog } from '../log/inference-log.ts';
import type { Assignment } from '../log/record.ts';
import { scoreAt, type ModelSession, type OutputColumn } from '../runtime/onnx-runtime.ts';
import type { ServingMetrics } from './serving-metrics.ts';
import type { Shadows } from './shadow.ts';
import { openVariantCounts, type VariantCount } from './variant-counts.ts';

export interface Call {
  readonly endpoint: LiveEndpoint;
  readonly rows: readonly Prepared[];
  readonly eventTimeUs: number;
  /** The caller named a model version. */
  readonly pinned: LiveVariant | undefined;
  /** Model outputs wanted beside the score; the same for all variants. */
  readonly outputs: readonly string[];
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

interface Pending {
  readonly call: Call;
  readonly began: number;
  readonly items: Item[];
  readonly resolve: (rows: PredictedRow[]) => void;
  readonly reject: (error: unknown) => void;
}

interface Item {
  readonly pending: Pending;
  readonly prepared: Prepared;
  readonly variant: LiveVariant;
  readonly assignment: Assignment;
  result: { columns: Map<string, OutputColumn>; row: number } | undefined;
  error: string | null;
}

const MAX_BATCH = 256;

export interface Predictor {
  predict(call: Call): Promise<PredictedRow[]>;
  /** Resolves when nothing is pending. */
  idle(): Promise<void>;
  readonly counts: () => readonly VariantCount[];
  /** Releases a session as soon as no pending call uses it. */
  readonly retire: (session: ModelSession) => void;
}

export function openPredictor(log: InferenceLog, metrics: ServingMetrics, now: () => number, shadows?: Pick<Shadows, 'mirror'>): Predictor {
  let queue: Pending[] = [];
  let running = 0;
  let waiting: (() => void)[] = [];
  const counts = openVariantCounts();
  const users = new Map<ModelSession, number>();
  const retired = new Set<ModelSession>();

  const use = (session: ModelSession): void => void users.set(session, (users.get(session) ?? 0) + 1);
  const leave = (session: ModelSession): void => {
    const left = users.get(session)! - 1;
    if (left > 0) users.set(session, left);
    else {
      users.delete(session);
      if (retired.delete(session)) void session.release();
    }
  };
  const retire = (session: ModelSession): void => {
    if (users.has(session)) retired.add(session);
    else void session.release();
  };

  const predict = (call: Call): Promise<PredictedRow[]> =>
    new Promise((resolve, reject) => {
      const pending: Pending = { call, began: performance.now(), items: [], resolve, reject };
      for (const prepared of call.rows) {
        const { variant, assignment } = choose(call, prepared);
        use(variant.session);
        pending.items.push({ pending, prepared, variant, assignment, result: undefined, error: faultOf(call, prepared, variant) });
      }
      if (queue.length === 0) setImmediate(() => void flush());
      queue.push(pending);
    });

  const flush = async (): Promise<void> => {
    const turn = queue;
    queue = [];
    running++;
    try {
      await Promise.all(batchesOf(turn).map(runBatch));
      finish(turn);
    } catch (error) {
      for (const pending of turn) pending.reject(error);
    } finally {
      for (const pending of turn) for (const item of pending.items) leave(item.variant.session);
      if (--running === 0 && queue.length === 0) {
        for (const wake of waiting) wake();
        waiting = [];
      }
    }
  };

  const runBatch = async (items: Item[]): Promise<void> => {
    const { variant, pending } = items[0]!;
    const { session, slots } = variant;
    metrics.batch({ rows: items.length, items: items.length, waitedMs: performance.now() - pending.began });
    const wanted = new Set([pending.call.endpoint.plan.output.score]);
    for (const item of items) for (const name of item.pending.call.outputs) wanted.add(name);
    try {
      const columns = await session.run(items.length, (input) => items.map((item) => item.prepared.vector[slots[input]!] ?? null), [
        ...wanted,
      ]);
      items.forEach((item, row) => (item.result = { columns, row }));
    } catch (error) {
      // One row that the model chokes on must not fail its neighbours.
      if (items.length > 1) for (const item of items) await runBatch([item]);
      else items[0]!.error = error instanceof Error ? error.message.slice(0, 500) : 'the model failed';
    }
  };

  // One write for the whole turn, then the answers.
  const finish = (turn: readonly Pending[]): void => {
    const recordedMs = now();
    const ended = performance.now();
    const entries: (Entry | undefined)[] = [];
    for (const pending of turn)
      for (const item of pending.items) {
        // About a subject that was erased nothing is written; the id is like any other.
        if (isAboutSuppressed(pending.call.endpoint, item.prepared)) entries.push(undefined);
        else entries.push(entryOf(item, recordedMs, Math.round((ended - pending.began) * 1000)));
        if (item.assignment !== 'pinned') counts.add(item.variant.definition, item.error !== null);
      }
    const ids = append(entries);
    let at = 0;
    for (const pending of turn) {
      const first = at;
      at += pending.items.length;
      answer(pending, (i) => ids[first + i]!, (performance.now() - pending.began) / 1000);
    }
    shadows?.mirror(turn, ids);
  };

  const append = (entries: readonly (Entry | undefined)[]): string[] => {
    const ids = log.append(entries.filter((e) => e !== undefined));
    let at = 0;
    return entries.map((e) => (e ? ids[at++]! : log.unrecorded()));
  };

  const answer = (pending: Pending, id: (i: number) => string, seconds: number): void => {
    const { endpoint } = pending.call;
    const failed = pending.items.find((item) => item.error !== null);
    for (const [variant, rows] of countBy(pending.items)) {
      const labels = { endpoint: endpoint.plan.name, variant };
      if (failed) metrics.failed(labels, rows);
      else metrics.predicted(labels, rows, seconds);
    }
    if (failed) {
      try {
        fail('model-run-failed', { endpoint: endpoint.plan.name, modelVersion: failed.variant.plan.modelVersion });
      } catch (problem) {
        pending.reject(problem);
      }
      return;
    }
    pending.resolve(
      pending.items.map((item, i) => ({ id: id(i), score: scoreOf(item), variant: item.variant, output: (name) => slice(item, name) })),
    );
  };

  const idle = (): Promise<void> =>
    running === 0 && queue.length === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));

  return { predict, idle, retire, counts: counts.all };
}

function choose({ endpoint, pinned }: Call, { assignmentKey }: Prepared): { variant: LiveVariant; assignment: Assignment } {
  if (pinned) return { variant: pinned, assignment: 'pinned' };
  const { variants, plan } = endpoint;
  const only = variants[0]!;
  const assignment: Assignment = assignmentKey === null || plan.perRequest ? 'random' : 'sticky';
  if (variants.length === 1) return { variant: only, assignment };
  const chosen = assignVariant(plan.variants, plan.salt, assignment === 'sticky' ? assignmentKey! : String(Math.random()));
  return { variant: variants.find((v) => v.plan === chosen) ?? only, assignment };
}

function batchesOf(turn: readonly Pending[]): Item[][] {
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
    const size = variant.session.batches ? MAX_BATCH : 1;
    for (let i = 0; i < items.length; i += size) batches.push(items.slice(i, i + size));
  }
  return batches;
}

const faultOf = ({ endpoint, eventTimeUs }: Call, { assignmentKey, request }: Prepared, { plan }: LiveVariant): string | null =>
  injectedFault(plan, { salt: endpoint.plan.salt, assignmentKey, eventTimeUs, request }) ?? null;

const scoreOf = ({ result, pending }: Item): number => scoreAt(result!.columns.get(pending.call.endpoint.plan.output.score)!, result!.row);

function slice({ result }: Item, name: string) {
  const { columns, row } = result!;
  const { type, shape, width, values } = columns.get(name)!;
  return { type, shape: shape.slice(1), values: Array.from({ length: width }, (_, i) => values[row * width + i]!) };
}

function entryOf(item: Item, recordedMs: number, latencyUs: number): Entry {
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

function countBy(items: readonly Item[]): [string, number][] {
  if (items.length === 1) return [[items[0]!.variant.plan.id, 1]];
  const counts = new Map<string, number>();
  for (const { variant } of items) counts.set(variant.plan.id, (counts.get(variant.plan.id) ?? 0) + 1);
  return [...counts];
}
