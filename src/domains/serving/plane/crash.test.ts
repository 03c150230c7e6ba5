import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fillStore, folder, planOf, sealModel } from '../fixtures/plane.ts';
import { findPrediction, readSegment } from '../log/segment.ts';
import { servingPaths, writePlan } from '../plan.ts';

const KILLS = Number(process.env.TEST_KILLS ?? 4);

async function start(t: TestContext, dir: string): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(join(import.meta.dirname, '..', 'fixtures', 'serve-child.ts'), [dir], { execArgv: ['--no-warnings'] });
  t.after(() => child.kill('SIGKILL'));
  const [url] = (await once(child, 'message')) as [string];
  return { child, url };
}

test('kill -9 under load loses no prediction that was answered, and ids go on', async (t) => {
  const dir = folder(t);
  sealModel(dir);
  fillStore(dir);
  writePlan(dir, planOf(1));
  const answered = new Map<string, number>();
  for (let kill = 0; kill < KILLS; kill++) {
    const { child, url } = await start(t, dir);
    const gone = once(child, 'exit');
    const target = answered.size + 100 + kill * 37;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        try {
          for (;;) {
            const reply = await fetch(`${url}/endpoints/late-arrival/predict`, {
              method: 'POST',
              headers: { 'content-type': 'application/json' },
              body: '{"inputs":{"origin":"JFK","carrier":"DL","hour":7}}',
            });
            const { predictionId, score } = (await reply.json()) as { predictionId: string; score: number };
            assert.ok(!answered.has(predictionId), `${predictionId} was given twice`);
            answered.set(predictionId, score);
            if (answered.size === target) child.kill('SIGKILL');
          }
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          // The connection broke: this client's last request was never answered.
        }
      }),
    );
    await gone;
  }
  const { child } = await start(t, dir);
  const log = servingPaths(dir).log;
  for (const [id, score] of answered) assert.equal(findPrediction(log, id)?.score, score, id);
  for (const name of readdirSync(join(log, 'r1')).filter((n) => n.endsWith('.seg')))
    assert.equal(readSegment(join(log, 'r1', name)).torn, false, name);
  child.kill('SIGTERM');
  assert.equal((await once(child, 'exit'))[0], 0);
});
