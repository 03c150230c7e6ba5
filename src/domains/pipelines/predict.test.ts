import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import { openProcessEngine } from '../../engines/process/process-engine.ts';
import type { Level } from '../../kernel/levels.ts';
import { pipelineJobs } from './jobs.ts';
import { startPredict } from './service/start-predict.ts';
import { champion, push, rowsOf, versionsOf } from './fixtures/scoring.ts';
import { wholeLog } from './fixtures/projects.ts';

const gyre = (step: string, more = ''): string => `project: demo
datasets:
  calls: { source: calls/*.parquet, key: [id], occurred_at: day }
${more}
models: { m: { score: score } }
pipelines:
  p:
    params: { until: 2024-02-01 }
    steps:
      scores: ${step}
`;
const plain = `{ predict: m, on: { dataset: calls }, out: { dataset: scored }, columns: [who] }`;
const calls = (rows = 3): string =>
  `select i as id, timestamp '2024-01-01' + interval (i) day as day, (i * 0.5)::float as x, 'caller ' || i as who from range(${rows}) t(i)`;

async function scoring(
  t: Parameters<typeof openPipelines>[0],
  kind: Parameters<typeof openPipelines>[1],
  text = gyre(plain),
): Promise<PipelineBench> {
  const b = await openPipelines(t, kind);
  await b.apply(text);
  await push(b, 'calls', calls());
  await champion(b);
  return b;
}

eachDatabase('rows of a dataset are scored into a new version of another, which knows where it comes from', async (t, kind) => {
  const b = await scoring(t, kind);
  const run = await b.finish();
  assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
  const rows = await rowsOf(b, 'scored');
  assert.deepEqual(
    rows.map((r) => [r.id, r.score, r.who, r.model_version, r.row_key]),
    [0, 1, 2].map((i) => [i, i / 2, `caller ${i}`, '1', `["${i}"]`]),
  );
  assert.equal(new Set(rows.map((r) => r.prediction_id)).size, 3);
  assert.match(await wholeLog(b, run.id, 'scores'), /^3 rows scored in .* s \(\d+ rows\/s\) with m 1 into scored version 1\n$/);
  const outputs = b.step(run, 'scores').outputs!;
  const { body } = await b.send<{ edges: { from: { id: string }; to: { kind: string }; relation: string }[] }>(
    'GET',
    `/lineage/dataset-version/${outputs.version!.id}?direction=from&depth=1`,
  );
  const relations = body.edges.filter((e) => e.from.id === outputs.version!.id).map((e) => `${e.relation} ${e.to.kind}`);
  for (const wanted of ['input dataset-version', 'scored-by model-version', 'made-by step'])
    assert.ok(relations.includes(wanted), `${relations}`);
  const columnOf = async (name: string): Promise<string[]> => {
    const { body: found } = await b.send<{ edges: { from: { id: string }; to: { id: string }; relation: string }[] }>(
      'GET',
      `/lineage/column/${encodeURIComponent(`demo/scored.${name}`)}?depth=1`,
    );
    return found.edges
      .flatMap((e) => (e.from.id === `demo/scored.${name}` && e.relation !== 'column-of' ? [`${e.relation} ${e.to.id}`] : []))
      .sort();
  };
  assert.deepEqual(await columnOf('who'), ['derived-from demo/calls.who']);
  assert.ok((await columnOf('score')).includes('derived-coarsely demo/calls.x'));
});

eachDatabase('the same rows and the same model are not scored twice; other rows or another champion are', async (t, kind) => {
  const b = await scoring(t, kind);
  await b.finish();
  assert.equal(b.step(await b.finish(), 'scores').cached, true);
  assert.equal((await versionsOf(b, 'scored')).length, 1);
  const [first] = await versionsOf(b, 'scored');

  const second = await champion(b);
  const other = await b.finish();
  assert.deepEqual(
    b.step(other, 'scores').explanation?.map((d) => `${d.part} ${d.name}`),
    ['input model m'],
  );
  assert.equal((await rowsOf(b, 'scored'))[0]!.model_version, String(second.number));

  // The champion of before: its scores are put in place again, and nothing is scored.
  await b.ctx().tx(async (tx) => (await import('../registry/public.ts')).setAlias(tx, 'm', 'champion', 1));
  const back = await b.finish();
  assert.match(await wholeLog(b, back.id, 'scores'), /has these scores already/);
  const versions = await versionsOf(b, 'scored');
  assert.deepEqual(
    versions.map((v) => [v.number, v.state]),
    [
      [3, 'current'],
      [2, 'superseded'],
      [1, 'superseded'],
    ],
  );
  assert.notEqual(versions[0]!.id, first!.id);
  assert.equal((await rowsOf(b, 'scored'))[0]!.model_version, '1');

  await push(b, 'calls', calls(4));
  assert.equal((await b.finish()).state, 'succeeded');
  assert.equal((await rowsOf(b, 'scored')).length, 4);
});

test('a row that cannot be scored is named by row, key and column, and nothing is written', async (t) => {
  const b = await scoring(t, 'sqlite', gyre(plain, `endpoints: { m: { model: m } }`));
  await push(b, 'calls', `select * replace (case when id = 1 then null else x end as x) from (${calls()})`);
  const run = await b.finish();
  assert.equal(run.state, 'failed');
  const { code, detail } = b.step(run, 'scores').error!;
  assert.equal(code, 'row-not-scored');
  assert.match(detail, /^Row 2 \(id 1\) by moment and key, column "x": is missing/);
  assert.deepEqual(await versionsOf(b, 'scored'), []);

  // What the endpoint says stands for it does here too; without an endpoint a missing number is NaN, and so is its score.
  await b.apply(gyre(plain, `endpoints: { m: { model: m, missing: { x: { default: 9 } } } }`));
  assert.equal((await b.finish()).state, 'succeeded');
  assert.deepEqual(
    (await rowsOf(b, 'scored')).map((r) => r.score),
    [0, 9, 1],
  );
  await b.apply(gyre(plain));
  assert.equal((await b.finish()).state, 'succeeded');
  assert.deepEqual(
    (await rowsOf(b, 'scored')).map((r) => r.score),
    [0, null, 1],
  );
});

eachDatabase('features are joined as they were known at the moment of each row', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await b.apply(
    gyre(
      `{ predict: m, on: { dataset: calls, between: ['2024-01-02', $until] }, out: { dataset: scored } }`,
      `  moods: { source: moods/*.parquet, key: [who, day], occurred_at: day, known_at: known }
features:
  views: { mood: { dataset: moods, entity: [who], columns: [mood] } }
  services: { s: { views: [mood], request: [who] } }
endpoints: { m: { model: m, features: s } }`,
    ),
  );
  await push(b, 'calls', `select * replace ('ada' as who) from (${calls(4)})`);
  // What happened on the first is known on the third only.
  await push(
    b,
    'moods',
    `select 'ada' as who, timestamp '2023-12-01' as day, timestamp '2023-12-01' as known, 1.0::float as mood
     union all select 'ada', timestamp '2024-01-01', timestamp '2024-01-03', 2.0`,
  );
  await champion(b, { mood: 'float' });
  const run = await b.finish();
  assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
  assert.deepEqual(
    (await rowsOf(b, 'scored')).map((r) => [r.id, r.score]),
    [
      [1, 1],
      [2, 2],
      [3, 2],
    ],
  );
  // The dataset of scores has moments of its own, so features can be made of it.
  assert.equal(new Date(Number((await rowsOf(b, 'scored'))[0]!.event_time) / 1000).toISOString(), '2024-01-02T00:00:00.000Z');
});

eachDatabase('scored rows go to a monitor once, as predictions with an id of their own', async (t, kind) => {
  const b = await scoring(
    t,
    kind,
    gyre(
      `{ predict: m, on: { dataset: calls }, out: { dataset: scored }, columns: [who], monitor: watch }`,
      `monitors: { watch: { task: binary, window: 1d, baseline: { first: 1d } } }`,
    ),
  );
  const run = await b.finish();
  assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
  assert.match(await wholeLog(b, run.id, 'scores'), /3 rows sent to monitor watch\n$/);
  const { body } = await b.send<{ accepted: number; duplicates: number }>('POST', '/projects/demo/pipelines/p/runs', { noCache: true });
  assert.ok(body);
  await b.drain();
  const { body: runs } = await b.send<{ items: { id: string }[] }>('GET', '/projects/demo/runs');
  assert.match(await wholeLog(b, runs.items[0]!.id, 'scores'), /0 rows sent to monitor watch, which had 3 more already/);
  const { inferenceFiles, columnsOf } = await import('../serving/public.ts');
  const files = await inferenceFiles(b.ctx(), { project: 'demo', endpoint: 'watch', fromUs: 0, toUs: 2e15 });
  assert.equal(
    files.reduce((n, f) => n + f.records, 0),
    3,
  );
  assert.deepEqual(columnsOf(files), {
    inputs: [{ name: 'x', type: 'number' }],
    request: [
      { name: 'id', type: 'integer' },
      { name: 'who', type: 'string' },
    ],
  });
});

eachDatabase('somebody asks for scores by a request; what cannot be is said before anything runs', async (t, kind) => {
  const b = await scoring(t, kind);
  const ask = (body: object) =>
    b.send<{ id: string; code: string; pipeline: string; detail: string }>('POST', '/projects/demo/predictions', body);
  const asked = { dataset: 'calls', model: 'm', into: 'by_hand', columns: ['who'], where: 'id > 0' };
  const { status, body } = await ask(asked);
  assert.deepEqual([status, body.pipeline], [201, 'predict:by_hand']);
  await b.drain();
  const run = await b.run(body.id);
  assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
  assert.deepEqual(
    (await rowsOf(b, 'by_hand')).map((r) => r.score),
    [0.5, 1],
  );
  await ask({ ...asked, modelVersion: '1', datasetVersion: '1' });
  await b.drain();
  assert.equal((await versionsOf(b, 'by_hand')).length, 1);

  const told = async (change: object): Promise<string> => (await ask({ ...asked, ...change })).body.code;
  assert.equal(await told({ dataset: 'cals' }), 'not-found');
  assert.equal(await told({ datasetVersion: '7' }), 'dataset-version-not-found');
  assert.equal(await told({ modelVersion: '7' }), 'model-version-not-found');
  assert.equal(await told({ into: 'calls' }), 'predictions-not-there');
  assert.equal(await told({ monitor: 'none' }), 'not-found');
  assert.equal(await told({ between: ['2024-02-01', '2024-01-01'] }), 'parameter-invalid');
  assert.equal(await told({ between: ['2024', '2025'] }), 'moment-invalid');
  const failing = async (change: object): Promise<string> => {
    const { body: begun } = await ask({ ...asked, ...change });
    await b.drain();
    return b.step(await b.run(begun.id), 'scores').error!.code;
  };
  assert.equal(await failing({ columns: ['nobody'] }), 'scoring-column-missing');
  assert.equal(await failing({ where: 'id > 99' }), 'scoring-rows-empty');
  assert.equal(await failing({ at: 'nullif(day, day)' }), 'scoring-moment-missing');
});

test('whoever asks for scores may read the model and the rows, and change the dataset that gets them', async (t) => {
  const b = await scoring(t, 'sqlite');
  const jobs = pipelineJobs({ engine: openProcessEngine(b.platform.blobs), serverUrl: () => '' });
  const asked = { project: 'demo', dataset: 'calls', model: 'm', modelVersion: 'champion', into: 'scored', columns: [], noCache: false };
  const as = (granted: Partial<Record<'dataset' | 'model', Readonly<Record<string, Level>>>>) =>
    startPredict(
      b.ctx({
        actor: {
          kind: 'user',
          id: 'eve',
          roles: ['editor'],
          standing: {
            fallback: 'READ',
            cap: 'MANAGE',
            granted: Object.fromEntries(Object.entries(granted).map(([kind, of]) => [kind, new Map(Object.entries(of))])),
          },
        },
      }),
      asked,
      jobs.advance,
    );
  await assert.rejects(as({}), { code: 'level-too-low', message: /EDIT for the dataset "demo\/scored"/ });
  await assert.rejects(as({ dataset: { 'demo/scored': 'EDIT', 'demo/calls': 'NO_PERMISSIONS' } }), { code: 'level-too-low' });
  await assert.rejects(as({ dataset: { 'demo/scored': 'EDIT' }, model: { m: 'NO_PERMISSIONS' } }), { code: 'level-too-low' });
  assert.equal((await as({ dataset: { 'demo/scored': 'EDIT' } })).pipeline, 'predict:scored');
});

eachDatabase('a policy starts the scoring, and is content without a model', async (t, kind) => {
  const b = await scoring(
    t,
    kind,
    gyre(plain, 'retraining: { nightly: { pipeline: p, on: [api, "cron: 0 3 * * *"], cooldown: 0s, release: false } }'),
  );
  const { status, body } = await b.send<{ id: string }>('POST', '/projects/demo/retraining/nightly/trigger', { reason: 'now' });
  assert.equal(status, 201, JSON.stringify(body));
  await b.drain();
  await b.send('POST', '/projects/demo/retraining/nightly/trigger', { reason: 'again' });
  await b.drain();
  const { body: ended } = await b.send<{ state: string; outcome: string }>('GET', `/triggers/${body.id}`);
  assert.deepEqual([ended.state, ended.outcome], ['passed', 'its run ended well; the pipeline registers no model']);
  assert.equal((await versionsOf(b, 'scored')).length, 1);
});

eachDatabase('a subject erased from the rows is erased from their scores, where the scores do not name it', async (t, kind) => {
  const b = await scoring(
    t,
    kind,
    `subjects: { caller: who }\n${gyre(`{ predict: m, on: { dataset: calls }, out: { dataset: scored } }`)}`,
  );
  await b.finish();
  assert.equal((await rowsOf(b, 'scored')).length, 3);
  const { body } = await b.send<{ id: string }>('POST', '/projects/demo/erasures', { subject: 'caller=caller 1', reason: 'asked' });
  await b.drain();
  const { body: done } = await b.send<{ state: string }>('GET', `/projects/demo/erasures/${body.id}`);
  assert.equal(done.state, 'completed', JSON.stringify(done));
  assert.deepEqual(
    (await rowsOf(b, 'scored')).map((r) => r.id),
    [0, 2],
  );
  const again = await b.finish();
  assert.equal(again.state, 'succeeded', JSON.stringify(again.error));
  assert.deepEqual(
    (await rowsOf(b, 'scored')).map((r) => r.id),
    [0, 2],
  );
});
