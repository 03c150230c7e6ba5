import assert from 'node:assert/strict';
import { eachDatabase } from '../../../test/support/platform.ts';
import { canaryProject, openCanary, policy, withStable } from './fixtures/canary.ts';
import { shipLog } from './jobs.ts';
import { watchOnce } from './service/watch.ts';

const job = { id: 'job', attempt: 1, fence: 1, report: () => undefined };

eachDatabase('live traffic that a candidate fails is taken from it within seconds, before the log is shipped', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject(policy(), '', ''), { GYRE_FAULT_INJECTION: '1' });
  await withStable(b);
  await b.version('good', { 'gyre.fault.error_rate': '0.1' });
  await b.begin();
  await b.traffic(40, 0, 0, { live: true });
  b.clock.advance(2000);
  await watchOnce(b.ctx());
  assert.equal((await b.status()).release.state, 'canary', 'a few requests say nothing');
  await b.traffic(2000, 0, 0, { live: true, first: 1000 });
  b.clock.advance(2000);
  await watchOnce(b.ctx());
  const { release, transitions } = await b.status();
  assert.equal(release.state, 'rolled-back', release.standing);
  assert.match(transitions.at(-1)!.reason, /^error_rate: the candidate failed/);
  assert.ok(transitions.at(-1)!.figures!.harmed.errors >= 8);
});

eachDatabase('on a live timeline the minute judges, and the hold is in its time', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject('{ steps: [50%, 100%], hold: 1h, min_sample: 20 }', '', ''));
  await withStable(b);
  await b.version();
  await b.begin();
  await b.traffic(100, 0, 0, { live: true });
  b.clock.advance(60_000);
  await shipLog.run(b.ctx(), {}, job);
  const { release } = await b.status();
  assert.deepEqual([release.state, release.standing], ['canary', 'held 1 min of 1 h']);
  b.clock.advance(3_600_000);
  await shipLog.run(b.ctx(), {}, job);
  assert.equal((await b.status()).release.state, 'promoted');
});
