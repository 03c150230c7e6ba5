// A model served elsewhere: its predictions lead back to what is known of them, and the report shows its windows.
import assert from 'node:assert/strict';
import { eachDatabase } from '../../../test/support/platform.ts';
import { moveTimeline } from '../../kernel/timeline/timeline.ts';
import { tickMonitors } from '../monitoring/public.ts';
import { iso, DAY_US, MARCH_US, openFeedback } from '../feedback/fixtures/bench.ts';

eachDatabase('A prediction of a model served elsewhere is found by the id that its owner gave', async (t, database) => {
  const b = await openFeedback(t, database);
  const at = iso(MARCH_US + 1000);
  await b.post('records', 'elsewhere', [
    { id: "c-1'", at, inputs: { visits: 3, carrier: 'AA' }, score: 0.25, model_version: '7' },
    { id: 'c-2', at, inputs: { visits: 4, carrier: 'DL' }, request: { user: 'u' }, score: 0.5 },
  ]);
  interface Why {
    readonly code?: string;
    readonly prediction: Record<string, unknown>;
    readonly graph: { readonly edges: { to: { kind: string; id: string }; relation: string }[] };
  }
  const why = async (id: string, project?: string) =>
    (await b.send<Why>('GET', `/predictions/${encodeURIComponent(id)}/why${project === undefined ? '' : `?project=${project}`}`)).body;
  const { prediction, graph } = await why("c-1'", 'demo');
  assert.deepEqual(
    [prediction.score, prediction.endpoint, prediction.modelVersion, prediction.inputs, prediction.eventTimeUs],
    [0.25, 'elsewhere', '7', { visits: 3, carrier: 'AA' }, MARCH_US + 1000],
  );
  assert.deepEqual(
    graph.edges.map((e) => [e.relation, e.to.kind, e.to.id]),
    [['watched-by', 'monitor', 'demo/elsewhere']],
  );
  assert.deepEqual((await why('c-2', 'demo')).prediction.request, { user: 'u' });
  for (const [id, project] of [['c-1'], ['c-3', 'demo'], ['c-1', 'nope']] as const)
    assert.equal((await why(id, project)).code, 'prediction-not-found', `${id} ${project}`);
});

eachDatabase('The report of a project without an endpoint is about its model served elsewhere', async (t, database) => {
  const b = await openFeedback(t, database);
  const name = 'outside';
  await b.apply(
    `project: ${name}\ntimeline: { mode: replay, start: 2013-03-01T00:00:00Z }\nmonitors: { fraud: { task: binary, window: 1d, labels: { within: 1d }, performance: [roc_auc] } }`,
  );
  const ids = Array.from({ length: 40 }, (_, i) => i);
  const post = (what: string, lines: readonly object[]) =>
    b.app.inject({
      method: 'POST',
      url: `/api/gyre/v1/projects/${name}/monitors/fraud/${what}`,
      headers: { host: '127.0.0.1', 'content-type': 'application/x-ndjson' },
      payload: lines.map((l) => `${JSON.stringify(l)}\n`).join(''),
    });
  await post(
    'records',
    ids.map((i) => ({ id: `f-${i}`, at: MARCH_US + i, inputs: { x: i }, score: i / 40 })),
  );
  await post(
    'feedback',
    ids.map((i) => ({ prediction_id: `f-${i}`, label: i % 3 === 0 })),
  );
  await moveTimeline(b.ctx(), name, MARCH_US + 3 * DAY_US);
  await tickMonitors(b.ctx(), name);
  interface Made {
    readonly elsewhere: string | null;
    readonly loop: { readonly monitor: string; readonly windows: readonly { records: number; labelled: number }[] };
    readonly chain: { readonly prediction: { readonly id: string } };
  }
  const report = async (body: object) => b.send<Made>('POST', `/projects/${name}/report`, { format: 'json', ...body });
  const { body } = await report({ prediction: 'f-3' });
  assert.deepEqual([body.elsewhere, body.loop.monitor, body.chain.prediction.id], ['fraud', 'fraud', 'f-3']);
  assert.deepEqual(
    body.loop.windows.map((w) => [w.records, w.labelled]),
    [
      [40, 40],
      [0, 0],
      [0, 0],
    ],
  );
  assert.equal((await report({ endpoint: 'fraud' })).body.elsewhere, 'fraud');
  assert.equal((await report({ endpoint: 'other' })).status, 404);
  const page = await b.app.inject({
    method: 'POST',
    url: `/api/gyre/v1/projects/${name}/report`,
    headers: { host: '127.0.0.1' },
    payload: {},
  });
  assert.match(page.payload, /watches a model that is served elsewhere/);
  assert.doesNotMatch(page.payload, /declares no endpoint/);
});
