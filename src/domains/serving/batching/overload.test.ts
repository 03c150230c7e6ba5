import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openLoop, postBytes, quantile } from '../fixtures/open-loop.ts';
import { endpointOf, fillStore, folder, planOf, sealModel } from '../fixtures/plane.ts';
import { writePlan } from '../plan.ts';

const SECONDS = Number(process.env.TEST_OVERLOAD_SECONDS ?? 10);
const path = '/endpoints/late-arrival/predict';
const rows = Array.from({ length: 100 }, (_, i) => ({ origin: ['EWR', 'JFK', 'LGA'][i % 3], carrier: 'UA', hour: i % 24 }));
const request = postBytes(path, JSON.stringify({ rows }));

async function start(t: TestContext, process: 'own' | undefined) {
  const dir = folder(t);
  const modelPath = sealModel(dir);
  fillStore(dir);
  const variant = { id: 'stable', model: 'late-arrival', modelVersion: '1', modelDigest: 'late', modelPath, weight: 1 };
  writePlan(dir, planOf(1, [endpointOf({ variants: [{ ...variant, ...(process ? { process } : {}) }] })]));
  const child = fork(join(import.meta.dirname, '..', 'fixtures', 'serve-child.ts'), [dir], { execArgv: ['--no-warnings'] });
  t.after(() => child.kill('SIGKILL'));
  const [url] = (await once(child, 'message')) as [string];
  const cpuSeconds = async (): Promise<number> => {
    const answer = once(child, 'message');
    child.send('cpu');
    const [{ user, system }] = (await answer) as [NodeJS.CpuUsage];
    return (user + system) / 1e6;
  };
  return { url, cpuSeconds };
}

/** Sixteen callers that each wait for their answer: what the server can do. */
async function peak(url: string, seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1000;
  let answered = 0;
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (performance.now() < until) {
        const { statuses } = await openLoop({ url, requests: [request], perSecond: 1000, seconds: 0.008, connections: 8 });
        answered += statuses.get(200) ?? 0;
      }
    }),
  );
  return answered;
}

test('At three times its capacity a server answers as much for its processor time as at its peak, and tells the others at once', async (t) => {
  const { url, cpuSeconds } = await start(t, undefined);
  await peak(url, 1);
  const before = await cpuSeconds();
  const began = performance.now();
  const answered = await peak(url, 2);
  const used = (await cpuSeconds()) - before;
  const capacity = answered / used;
  const overloadBefore = await cpuSeconds();
  const perSecond = Math.round(Math.max(capacity, answered / ((performance.now() - began) / 1000)) * 3);
  const { statuses, latencyMs, withRetryAfter, unsent, sent } = await openLoop({ url, requests: [request], perSecond, seconds: SECONDS });
  const goodput = (statuses.get(200) ?? 0) / ((await cpuSeconds()) - overloadBefore);
  t.diagnostic(
    `capacity ${capacity.toFixed(0)}/cpu s, goodput ${goodput.toFixed(0)}/cpu s, of ${sent} sent and ${unsent} unsent: ` +
      [...statuses]
        .map(
          ([s, n]) => `${n} x ${s} p50 ${quantile(latencyMs.get(s), 0.5).toFixed(0)} p99 ${quantile(latencyMs.get(s), 0.99).toFixed(0)} ms`,
        )
        .join(', '),
  );
  assert.deepEqual(
    [...statuses.keys()].sort((a, b) => a - b),
    [200, 503],
  );
  assert.equal(withRetryAfter, statuses.get(503), 'every refusal says when to come again');
  assert.ok(goodput >= 0.9 * capacity, `goodput ${goodput} of ${capacity}`);
  // Below its capacity again, nobody is turned away a second later.
  await openLoop({ url, requests: [request], perSecond: 20, seconds: 1 });
  const after = await openLoop({ url, requests: [request], perSecond: 20, seconds: 1 });
  assert.deepEqual([...after.statuses], [[200, 20]]);
});

test('What waits for a model in a process is bounded by time, and the rest is told at once', async (t) => {
  const { url } = await start(t, 'own');
  const answered = await peak(url, 2);
  const { statuses, latencyMs, withRetryAfter } = await openLoop({
    url,
    requests: [request],
    perSecond: Math.max(600, (answered / 2) * 3),
    seconds: 3,
  });
  assert.equal([...statuses.keys()].filter((s) => s !== 200 && s !== 503).length, 0, JSON.stringify([...statuses]));
  assert.ok((statuses.get(200) ?? 0) > 0);
  assert.equal(withRetryAfter, statuses.get(503) ?? 0);
  t.diagnostic([...statuses].map(([s, n]) => `${n} x ${s} p99 ${quantile(latencyMs.get(s), 0.99).toFixed(0)} ms`).join(', '));
  const after = await openLoop({ url, requests: [request], perSecond: 10, seconds: 1 });
  assert.equal(after.statuses.get(0), undefined);
});
