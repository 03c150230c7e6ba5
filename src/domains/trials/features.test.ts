import assert from 'node:assert/strict';
import { eachDatabase } from '../../../test/support/platform.ts';
import { push } from '../pipelines/fixtures/scoring.ts';
import { canaryProject, openCanary, policy, withStable } from '../releases/fixtures/canary.ts';
import { act, at } from './fixtures/bench.ts';

const project = canaryProject(policy()).replace(
  /endpoints:[^]*$/,
  `datasets:
  facts: { source: facts/*.parquet, key: [who], occurred_at: day, known_at: day }
features:
  views: { fact: { dataset: facts, entity: [who], columns: [good, poor] } }
  services: { s: { views: [fact], request: [who] } }
endpoints:
  e: { model: m, features: s, assign_by: who, release: { steps: [100%], hold: 1d } }
`,
);

eachDatabase('a trial begins on an endpoint whose features have to be made before its transaction', async (t, kind) => {
  const b = await openCanary(t, kind, project);
  await push(b, 'facts', `select 'ada' as who, timestamp '2029-12-01' as day, 0.7::float as good, 0.2::float as poor`);
  await withStable(b);
  await b.version();
  const planned = await b.send('POST', at, {
    ...{ name: 't', arms: [{ name: 'b', version: '2' }], metric: 'error_rate', effect: 0.1, given: { mean: 0.2, unitsPerDay: 100 } },
  });
  assert.equal(planned.status, 201, JSON.stringify(planned.body));
  const started = await act(b, 'start');
  assert.deepEqual([started.status, started.body.state], [200, 'running'], JSON.stringify(started.body));
  assert.equal((await act(b, 'pause')).body.state, 'paused');
  assert.equal((await act(b, 'resume')).body.state, 'running');
});
