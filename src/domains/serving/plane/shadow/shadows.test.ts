import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { openRegistry } from '../../../../kernel/http/prometheus.ts';
import type { Entry } from '../../log/inference-log.ts';
import { shippedUnder } from '../../log/record.ts';
import type { LiveEndpoint, LiveVariant, Prepared } from '../endpoint.ts';
import { openShadowLane, type ShadowLane } from './lane.ts';
import { openShadows, type Answered, type ShadowOptions } from './shadows.ts';

const variant = (id: string, weight: number, shadow?: number): LiveVariant =>
  ({
    plan: { id, model: 'm', modelVersion: '1', modelDigest: id, modelPath: `${id}.onnx`, weight, ...(shadow ? { shadow } : {}) },
    session: { inputs: [{ name: 'x', type: 'float32', rank: 1 }], batches: true },
    ...{ slots: [0], definition: { endpoint: 'e', variant: id } },
  }) as unknown as LiveVariant;

function endpointWith(share: number): LiveEndpoint {
  const [stable, shadow] = [variant('v1', 1), variant('v2', 0, share)];
  const plan = { name: 'e', workspace: 'w', salt: 's', output: { score: 'score' }, variants: [stable.plan, shadow.plan] };
  return {
    plan,
    variants: [stable, shadow],
    shadows: [shadow],
    views: [],
    personal: new Map(),
    suppressed: new Map(),
  } as unknown as LiveEndpoint;
}

const answered = (endpoint: LiveEndpoint, keys: readonly string[], assignment: 'sticky' | 'pinned' = 'sticky'): Answered[] =>
  keys.map((assignmentKey, i) => ({
    call: { endpoint, eventTimeUs: 5 },
    items: [{ prepared: { vector: [i], request: [], facts: [], assignmentKey } as unknown as Prepared, assignment }],
  }));
const keysOf = (n: number): string[] => Array.from({ length: n }, (_, i) => `k${i}`);
const idsOf = (n: number): string[] => Array.from({ length: n }, (_, i) => `r1.s.${i}`);

function bench(options: Partial<ShadowOptions> = {}) {
  const logged: Entry[] = [];
  const registry = openRegistry();
  const asked: number[] = [];
  const lane: ShadowLane = {
    run: (task) => {
      asked.push(task.rows);
      return Promise.resolve({ rows: Array.from(task.columns[0]!, (x) => (x === 3 ? 'it chokes on 3' : Number(x) / 10)), tookUs: 640 });
    },
    close: () => undefined,
  };
  const log = { append: (entries: readonly Entry[]) => entries.map((e, i) => `r1.t.${logged.push(e) + i}`) };
  const shadows = openShadows({ dir: '/', log, registry, now: () => 7, lane, ...options });
  return { shadows, logged, asked, lane, metrics: () => registry.write() };
}

test('copies are answered after the answers, logged with what they are copies of, and lie apart from them', async () => {
  const { shadows, logged, asked, metrics } = bench();
  const endpoint = endpointWith(1);
  shadows.mirror(answered(endpoint, keysOf(100)), idsOf(100));
  assert.equal(asked.length, 0, 'not before the answers have gone out');
  await shadows.idle(5000);
  assert.deepEqual(asked, [64, 36]);
  assert.equal(logged.length, 100);
  const { body } = logged[5]!;
  assert.deepEqual(
    [body.assignment, body.shadowOf, body.score, body.error, body.latencyUs, body.eventTimeUs],
    ['shadow', 'r1.s.5', 0.5, null, 10, 5],
  );
  assert.deepEqual([logged[3]!.body.score, logged[3]!.body.error], [null, 'it chokes on 3']);
  assert.equal(shippedUnder('e', 'shadow'), 'e~shadow');
  assert.equal(shippedUnder('e', 'sticky'), 'e');
  assert.match(metrics(), /gyre_shadow_predictions_total\{endpoint="e",variant="v2"\} 99/);
  assert.match(metrics(), /gyre_shadow_failures_total\{endpoint="e",variant="v2"\} 1/);
});

test('what finds no room or waits too long is dropped and counted; nobody waits for it', async () => {
  let letGo: () => void = () => undefined;
  const stuck = new Promise<void>((resolve) => (letGo = resolve));
  const slow: ShadowLane = {
    run: async (task) => {
      await stuck;
      return { rows: Array.from({ length: task.rows }, () => 0.5), tookUs: 1 };
    },
    close: () => undefined,
  };
  const { shadows, logged, metrics } = bench({ lane: slow, maxQueued: 100 });
  const endpoint = endpointWith(1);
  for (let i = 0; i < 10; i++) {
    shadows.mirror(answered(endpoint, keysOf(50)), idsOf(50));
    await turn();
  }
  assert.match(metrics(), /gyre_shadow_dropped_total\{endpoint="e",variant="v2",reason="full"\} 3\d\d/);
  letGo();
  await shadows.idle(5000);
  const dropped = [...metrics().matchAll(/gyre_shadow_dropped_total\{[^}]*\} (\d+)/g)].reduce((sum, m) => sum + Number(m[1]), 0);
  assert.equal(logged.length + dropped, 500, 'each is answered or counted');
  const late = bench({ maxWaitMs: -1 });
  late.shadows.mirror(answered(endpoint, keysOf(50)), idsOf(50));
  await late.shadows.idle(5000);
  assert.match(late.metrics(), /reason="late"\} 50/);
});

test('a share is of the keys, and neither pinned nor unrecorded predictions are copied', async () => {
  const { shadows, logged } = bench();
  const endpoint = endpointWith(0.2);
  const keys = keysOf(1000);
  shadows.mirror(answered(endpoint, keys), idsOf(1000));
  await shadows.idle(5000);
  const once = logged.map((e) => e.body.shadowOf);
  assert.ok(once.length > 150 && once.length < 250, `${once.length} of 1000`);
  shadows.mirror(answered(endpoint, keys), idsOf(1000));
  await shadows.idle(5000);
  assert.deepEqual(
    logged.slice(once.length).map((e) => e.body.shadowOf),
    once,
    'the same keys',
  );
  const before = logged.length;
  shadows.mirror(answered(endpointWith(1), keysOf(9), 'pinned'), idsOf(9));
  shadows.mirror(answered(endpointWith(1), keysOf(2)), ['r1.dropped.0', 'r1.suppressed.1']);
  await shadows.idle(5000);
  assert.equal(logged.length, before);
});

test('a process that cannot load the model, or dies, answers for its rows and is started anew', async (t) => {
  const lane = openShadowLane({ timeoutMs: 20_000 });
  t.after(() => lane.close());
  const task = { modelPath: '/nowhere/model.onnx', score: 'score', rows: 2, columns: [[1, 2]] };
  const missing = await lane.run(task);
  assert.ok(missing.rows.length === 2 && missing.rows.every((r) => typeof r === 'string'), JSON.stringify(missing));
  const dying = lane.run(task);
  lane.close();
  assert.deepEqual(
    (await dying).rows,
    Array.from({ length: 2 }, () => 'the process of the shadow ended while it ran the model'),
  );
  assert.ok(
    (await lane.run(task)).rows.every((r) => typeof r === 'string'),
    'a new process answers',
  );
});
