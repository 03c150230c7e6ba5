// Shadows: variants without traffic that answer copies of requests. A copy is taken when the answer has gone out, waits in a
// queue of its own with a bound, and is run in a process of the lowest priority, so that callers neither wait for a shadow nor
// see it fail. What finds no room is dropped and counted. What a shadow answers goes to nobody; it is logged, marked, with the
// id of the prediction that it is a copy of.
import { resolve } from 'node:path';
import type { MetricRegistry } from '../../../../kernel/http/prometheus.ts';
import type { InferenceLog } from '../../log/inference-log.ts';
import type { Assignment } from '../../log/record.ts';
import { scoreAt } from '../../runtime/onnx-runtime.ts';
import { assignVariant } from '../assignment.ts';
import { isAboutSuppressed, keyToLog, withoutPersonal, type LiveEndpoint, type LiveVariant, type Prepared } from '../endpoint.ts';
import { injectedFault } from '../fault-injection.ts';
import { openShadowLane, type ShadowLane } from './lane.ts';

/** A request with its rows, as it was answered. */
export interface Answered {
  readonly call: { readonly endpoint: LiveEndpoint; readonly eventTimeUs: number };
  readonly items: readonly { readonly prepared: Prepared; readonly assignment: Assignment }[];
}

export interface Shadows {
  /** Takes copies of what has just been answered, with the ids of all rows in order. Never throws, never waits. */
  mirror(answered: readonly Answered[], ids: readonly string[]): void;
  /** Resolves when every copy that was taken has been answered or dropped, at the latest after `withinMs`. */
  idle(withinMs: number): Promise<void>;
  close(): void;
}

export interface ShadowOptions {
  /** Paths of the plan are relative to it. */
  readonly dir: string;
  readonly log: Pick<InferenceLog, 'append'>;
  readonly registry: MetricRegistry;
  readonly now: () => number;
  /** Copies that wait at most (default 1024). */
  readonly maxQueued?: number;
  /** A copy that has waited longer is dropped (default 10 s). */
  readonly maxWaitMs?: number;
  readonly lane?: ShadowLane;
}

interface Copy {
  readonly endpoint: LiveEndpoint;
  readonly variant: LiveVariant;
  readonly prepared: Prepared;
  readonly eventTimeUs: number;
  readonly of: string;
  readonly takenMs: number;
}

const MAX_BATCH = 64;

export function openShadows(options: ShadowOptions): Shadows {
  const { dir, log, registry, now, maxQueued = 1024, maxWaitMs = 10_000, lane = openShadowLane() } = options;
  const labels = ['endpoint', 'variant'] as const;
  const answers = registry.counter({ name: 'gyre_shadow_predictions_total', help: 'Copies of requests that a shadow answered', labels });
  const failures = registry.counter({ name: 'gyre_shadow_failures_total', help: 'Copies on which a shadow failed', labels });
  const drops = registry.counter({
    name: 'gyre_shadow_dropped_total',
    help: 'Copies that no shadow answered, because its queue was full, they had waited too long, or their process was lost',
    labels: [...labels, 'reason'],
  });
  let queued = 0;
  registry.watched({ name: 'gyre_shadow_queue_rows', help: 'Copies that wait for a shadow' }, 'gauge', () => queued);

  // One queue for each variant: a slow shadow is not to starve another.
  const queues = new Map<LiveVariant, Copy[]>();
  let taking = 0;
  let working = false;
  let waiting: (() => void)[] = [];

  const drop = ({ endpoint, variant }: Pick<Copy, 'endpoint' | 'variant'>, reason: 'full' | 'late' | 'lost'): void =>
    drops.inc({ endpoint: endpoint.plan.name, variant: variant.plan.id, reason });

  const mirror: Shadows['mirror'] = (answered, ids) => {
    const copies: Copy[] = [];
    let at = 0;
    for (const { call, items } of answered) {
      const { endpoint, eventTimeUs } = call;
      for (const { prepared, assignment } of items) {
        const of = ids[at++]!;
        if (endpoint.shadows.length === 0 || assignment === 'pinned') continue;
        if (!isRecorded(of) || isAboutSuppressed(endpoint, prepared)) continue;
        for (const variant of endpoint.shadows)
          if (isChosen(endpoint, variant, prepared))
            copies.push({ endpoint, variant, prepared, eventTimeUs, of, takenMs: performance.now() });
      }
    }
    if (copies.length === 0) return;
    taking += 1;
    // The answers go out first.
    setImmediate(() => {
      taking -= 1;
      for (const copy of copies) put(copy);
      if (!working) void work();
    });
  };

  const put = (copy: Copy): void => {
    if (queued >= maxQueued) return drop(copy, 'full');
    const queue = queues.get(copy.variant);
    if (queue) queue.push(copy);
    else queues.set(copy.variant, [copy]);
    queued += 1;
  };

  const work = async (): Promise<void> => {
    working = true;
    while (queued > 0)
      for (const [variant, queue] of queues) {
        const taken = queue.splice(0, MAX_BATCH);
        queued -= taken.length;
        if (queue.length === 0) queues.delete(variant);
        const [fresh, late] = [[] as Copy[], [] as Copy[]];
        for (const copy of taken) (performance.now() - copy.takenMs > maxWaitMs ? late : fresh).push(copy);
        for (const copy of late) drop(copy, 'late');
        if (fresh.length > 0) await answer(variant, fresh).catch(() => fresh.forEach((copy) => drop(copy, 'lost')));
      }
    working = false;
    for (const wake of waiting) wake();
    waiting = [];
  };

  const answer = async (variant: LiveVariant, copies: readonly Copy[]): Promise<void> => {
    const results = new Map<Copy, number | string>();
    for (const copy of copies) {
      const fault = faultOf(copy);
      if (fault !== undefined) results.set(copy, fault);
    }
    const asked = copies.filter((copy) => !results.has(copy));
    let tookUs = 0;
    if (asked.length > 0) {
      const answered = await run(variant, asked);
      tookUs = Math.round(answered.tookUs / asked.length);
      asked.forEach((copy, i) => results.set(copy, answered.rows[i]!));
    }
    log.append(copies.map((copy) => entryOf(copy, results.get(copy)!, now(), tookUs)));
    for (const copy of copies) {
      const of = { endpoint: copy.endpoint.plan.name, variant: variant.plan.id };
      if (typeof results.get(copy) === 'string') failures.inc(of);
      else answers.inc(of);
    }
  };

  const run = async (variant: LiveVariant, copies: readonly Copy[]): Promise<{ rows: readonly (number | string)[]; tookUs: number }> => {
    const { score } = copies[0]!.endpoint.plan.output;
    const columnOf = (input: number): (number | string | boolean | null)[] =>
      copies.map((copy) => copy.prepared.vector[variant.slots[input]!] ?? null);
    if (!variant.session.aside) {
      const columns = variant.session.inputs.map((_, input) => columnOf(input));
      return lane.run({ modelPath: resolve(dir, variant.plan.modelPath), score, rows: copies.length, columns });
    }
    // It runs in a process of its own already.
    const began = performance.now();
    const tookUs = (): number => Math.round((performance.now() - began) * 1000);
    try {
      const output = (await variant.session.run(copies.length, columnOf, [score])).get(score)!;
      return { rows: copies.map((_, row) => scoreAt(output, row)), tookUs: tookUs() };
    } catch (error) {
      const why = error instanceof Error ? error.message.slice(0, 500) : 'the model failed';
      return { rows: copies.map(() => why), tookUs: tookUs() };
    }
  };

  const idle = (withinMs: number): Promise<void> =>
    new Promise((done) => {
      const late = setTimeout(done, withinMs);
      late.unref();
      const look = (): void => {
        if (taking > 0) setImmediate(look);
        else if (working) waiting.push(look);
        else {
          clearTimeout(late);
          done();
        }
      };
      look();
    });

  return { mirror, idle, close: () => lane.close() };
}

const faultOf = ({ endpoint, variant, prepared, eventTimeUs }: Copy): string | undefined =>
  injectedFault(variant.plan, {
    ...{ salt: endpoint.plan.salt, assignmentKey: prepared.assignmentKey, eventTimeUs, request: prepared.request },
  });

/** A prediction whose record was dropped cannot be compared with. */
const isRecorded = (id: string): boolean => !/\.(dropped|suppressed)\./.test(id);

/** By key where there is one, so that a shadow sees all requests of some keys. */
function isChosen({ plan }: LiveEndpoint, variant: LiveVariant, { assignmentKey }: Prepared): boolean {
  const share = variant.plan.shadow!;
  if (share >= 1) return true;
  const sides = [
    { id: 'copied', weight: share },
    { id: 'left', weight: 1 - share },
  ];
  return assignVariant(sides, `${plan.salt}/shadow`, assignmentKey ?? String(Math.random())).id === 'copied';
}

function entryOf({ endpoint, variant, prepared, eventTimeUs, of }: Copy, result: number | string, recordedMs: number, latencyUs: number) {
  const inputs = variant.slots.map((slot) => prepared.vector[slot] ?? null);
  const facts =
    endpoint.personal.size === 0
      ? prepared.facts
      : prepared.facts.map((f, v) => f && { ...f, values: withoutPersonal(endpoint, f.values, (i) => endpoint.views[v]!.firstSlot + i) });
  return {
    definition: variant.definition,
    body: {
      ...{ eventTimeUs, recordedMs, latencyUs, facts },
      assignmentKey: keyToLog(endpoint, prepared.assignmentKey),
      assignment: 'shadow' as const,
      request: withoutPersonal(endpoint, prepared.request, (i) => i),
      inputs: withoutPersonal(endpoint, inputs, (i) => variant.slots[i]!),
      score: typeof result === 'number' && Number.isFinite(result) ? result : null,
      error: typeof result === 'string' ? result : null,
      shadowOf: of,
    },
  };
}
