// Predictions of one event-loop turn run together: rows for the same model become one batch, all records
// are appended with one write, and only then the callers get their answers. Nothing waits for more rows to
// come; a lone request is a batch of one. Models in processes take rows as they have room (batching/column-lanes.ts).
import { isProblem } from '../../../kernel/errors.ts';
import { openColumnLanes, type ColumnLanes } from './column-lanes.ts';
import type { QueueLimits } from './tensor-runner.ts';
import { fail } from '../errors.ts';
import type { Entry, InferenceLog } from '../log/inference-log.ts';
import type { ModelSession } from '../runtime/onnx-runtime.ts';
import { isAboutSuppressed } from '../plane/endpoint.ts';
import {
  batchesOf,
  choose,
  columnOf,
  countBy,
  entryOf,
  faultOf,
  isInTime,
  scoreOf,
  slice,
  wantedOf,
  wordsOf,
  type Call,
  type Item,
  type Pending,
  type PredictedRow,
} from './pending-rows.ts';
import type { ServingMetrics } from '../plane/serving-metrics.ts';
import type { Shadows } from '../plane/shadow/shadows.ts';
import { openVariantCounts, type VariantCount } from './variant-counts.ts';

export interface Predictor {
  /** Raises `model-run-failed`, `serving-overloaded` and `serving-deadline-exceeded`. */
  predict(call: Call): Promise<PredictedRow[]>;
  /** Resolves when nothing is pending. */
  idle(): Promise<void>;
  readonly counts: () => readonly VariantCount[];
  /** Releases a session as soon as no pending call uses it. */
  readonly retire: (session: ModelSession) => void;
  /** What waits for a session, and what is in it. */
  readonly state: ColumnLanes['state'];
}

/** Why a prediction leaves no record: it is about a subject that was erased, or the log is a sample. */
type Unlogged = Parameters<InferenceLog['unrecorded']>[0];

export interface PredictorOptions {
  readonly log: InferenceLog;
  readonly metrics: ServingMetrics;
  readonly now: () => number;
  readonly shadows?: Pick<Shadows, 'mirror'> | undefined;
  readonly queue?: QueueLimits | undefined;
}

export function openPredictor({ log, metrics, now, shadows, queue: limits }: PredictorOptions): Predictor {
  let queue: Pending[] = [];
  let running = 0;
  let waiting: (() => void)[] = [];
  const counts = openVariantCounts();
  const lanes = openColumnLanes(limits);
  // What came back from processes in this turn of the event loop: its records are one write.
  let back: Pending[] = [];
  const users = new Map<ModelSession, number>();
  const retired = new Set<ModelSession>();

  const metricsOf = ({ pending, variant }: Item) => metrics.of(pending.call.endpoint.plan.name, variant.plan.id);
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
      if (pending.items.some((item) => item.variant.session.runNow === undefined)) void throughLanes(pending);
      else {
        if (queue.length === 0) setImmediate(flush);
        queue.push(pending);
      }
    });

  const settled = (turn: readonly Pending[]): void => {
    for (const pending of turn) for (const item of pending.items) leave(item.variant.session);
    if (queue.length > 0 || running > 0) return;
    for (const wake of waiting) wake();
    waiting = [];
  };

  const finishAll = (turn: readonly Pending[]): void => {
    try {
      finish(turn);
    } catch (error) {
      for (const pending of turn) pending.reject(error);
    }
    settled(turn);
  };

  // In this thread: the whole turn at once.
  const flush = (): void => {
    const began = performance.now();
    const all = queue;
    queue = [];
    const turn = all.filter((pending) => isInTime(pending, began));
    for (const { call } of turn) {
      const laps = call.patience?.laps;
      if (!laps) continue;
      laps.end('queue', began);
      laps.share = turn.length;
    }
    for (const batch of batchesOf(turn)) runBatch(batch);
    const ended = performance.now();
    for (const { call } of turn) call.patience?.laps?.end('model', ended);
    finishAll(turn);
    if (turn.length < all.length) settled(all.filter((pending) => !turn.includes(pending)));
  };

  const runBatch = (items: readonly Item[]): void => {
    const { variant, pending } = items[0]!;
    metricsOf(items[0]!).batch({ rows: items.length, items: items.length, waitedMs: performance.now() - pending.began });
    try {
      const columns = variant.session.runNow!(items.length, columnOf(items), wantedOf(items));
      items.forEach((item, row) => (item.result = { columns, row }));
    } catch (error) {
      // One row that the model chokes on must not fail its neighbours.
      if (items.length > 1) for (const item of items) runBatch([item]);
      else items[0]!.error = wordsOf(error);
    }
  };

  // In processes: rows wait for a free one, with those of others, and as long as the caller does.
  const throughLanes = async (pending: Pending): Promise<void> => {
    running++;
    const { patience = {} } = pending.call;
    try {
      await Promise.all(
        batchesOf([pending]).map(async (items) => {
          const { variant } = items[0]!;
          const chunk = {
            rows: items.length,
            column: columnOf(items),
            outputs: wantedOf(items),
            laps: patience.laps,
            metrics: metricsOf(items[0]!),
          };
          try {
            const { columns, first } = await lanes.run(variant.session, variant, chunk, patience);
            items.forEach((item, i) => (item.result = { columns, row: first + i }));
          } catch (error) {
            if (isProblem(error) || patience.gone?.().aborted) throw error;
            for (const item of items) item.error = wordsOf(error);
          }
        }),
      );
      if (back.length === 0) setImmediate(takeBack);
      back.push(pending);
    } catch (error) {
      pending.reject(error);
      running--;
      settled([pending]);
    }
  };

  const takeBack = (): void => {
    const turn = back;
    back = [];
    running -= turn.length;
    finishAll(turn);
  };

  // One write for the whole turn, then the answers.
  const finish = (turn: readonly Pending[]): void => {
    const recordedMs = now();
    const ended = performance.now();
    const entries: (Entry | Unlogged)[] = [];
    for (const pending of turn)
      for (const item of pending.items) {
        const { endpoint } = pending.call;
        if (isAboutSuppressed(endpoint, item.prepared)) entries.push('suppressed');
        else if (endpoint.logShare < 1 && Math.random() >= endpoint.logShare) entries.push('sampled');
        else entries.push(entryOf(item, recordedMs, Math.round((ended - pending.began) * 1000)));
        if (item.assignment !== 'pinned') counts.add(item.variant.definition, item.error !== null);
      }
    const ids = append(entries);
    const logged = performance.now();
    let at = 0;
    for (const pending of turn) {
      const laps = pending.call.patience?.laps;
      if (laps) {
        laps.end('log', logged);
        laps.metrics = metricsOf(pending.items[0]!);
      }
      const first = at;
      at += pending.items.length;
      answer(pending, (i) => ids[first + i]!, (performance.now() - pending.began) / 1000);
    }
    shadows?.mirror(turn, ids);
  };

  const append = (entries: readonly (Entry | Unlogged)[]): string[] => {
    const ids = log.append(entries.filter((e) => typeof e !== 'string'));
    let at = 0;
    return entries.map((e) => (typeof e === 'string' ? log.unrecorded(e) : ids[at++]!));
  };

  const answer = (pending: Pending, id: (i: number) => string, seconds: number): void => {
    const { endpoint } = pending.call;
    const failed = pending.items.find((item) => item.error !== null);
    for (const [variant, rows] of countBy(pending.items)) {
      const of = metrics.of(endpoint.plan.name, variant);
      if (failed) of.failed(rows);
      else of.predicted(rows, seconds);
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

  return { predict, idle, retire, counts: counts.all, state: lanes.state };
}
