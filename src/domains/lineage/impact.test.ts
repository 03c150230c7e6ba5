import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { eachDatabase } from '../../../test/support/platform.ts';
import { parquet } from '../../../test/support/parquet.ts';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import { storeBlobs } from '../../kernel/blobs/blob-index.ts';
import type { Ref } from '../../kernel/events/events.ts';
import { grantLevel } from '../access/levels/grants.ts';
import { createUser } from '../access/service.ts';
import { walk } from './graph.ts';
import { columnKinds } from './column-map.ts';
import type { Impact } from './service/impact.ts';

const definition = (more = ''): string => `
project: demo
code: [sql/**, contracts/**]
datasets:
  raw: { source: raw.parquet, key: [id], contract: contracts/raw.yaml }
  trips: { sql: sql/trips.sql, from: [raw], key: [id], occurred_at: starts, known_at: ended }
  people: { source: people.parquet, key: [who] }
features:
  views:
    rider: { dataset: people, entity: [who], columns: [age, home] }
    town_late: { dataset: trips, entity: [town], sql: sql/town_late.sql, columns: [share] }
  services: { trip: { views: [rider, town_late], request: [id, who, town] } }
pipelines:
  train:
    steps:
      rows: { features: trip, spine: { dataset: trips, at: starts, label: late, where: distance > 0, between: [2013-01-01, 2013-03-01] } }
      fit: { run: python fit.py, in: [rows], code: [], out: { model: { logged: model } } }
      test: { evaluate: fit.model, on: { features: trip, spine: { dataset: trips, at: starts, label: late, where: distance > 0, between: [2013-03-01, 2013-04-01] } }, slices: [town] }
      register: { model: late, from: fit.model, evaluation: test }
models: { late: { task: binary } }
endpoints: { late: { model: late, features: trip } }
monitors: { late: { window: 1d, labels: { from: feedback, within: 1d }, performance: [roc_auc], slices: [town] } }
subjects: { person: who }
${more}`;

const files = {
  'sql/trips.sql':
    'select id, who, town, starts, ended, distance, extract(hour from ended - starts) > 1 as late from raw where cancelled is null',
  'sql/town_late.sql':
    'select town, ended as occurred_at, ended as known_at, avg(late::integer) over (partition by town order by ended) as share from trips',
  'contracts/raw.yaml': `apiVersion: v3.1.0
kind: DataContract
id: raw
version: 1.0.0
status: active
schema:
  - name: raw
    properties:
      - { name: id, logicalType: integer, required: true }
      - { name: town, logicalType: string }
`,
};
const RAW = `select i as id, 'p' || i as who, 'town' as town, timestamp '2013-01-01' as starts, timestamp '2013-01-02' as ended, 3.0 as distance, null::varchar as cancelled, 'x' as note from range(5) r(i)`;
const PEOPLE = `select 'p' || i as who, i as age, 'town' as home, 'a' as unused from range(5) r(i)`;

async function push(b: PipelineBench, dataset: string, rows: string, body = {}): Promise<void> {
  const [stored] = await storeBlobs(b.ctx(), [await parquet(rows)]);
  const reply = await b.send('POST', `/projects/demo/datasets/${dataset}/versions`, {
    files: [{ path: `${dataset}.parquet`, digest: stored!.digest }],
    ...body,
  });
  assert.ok([200, 201].includes(reply.status), JSON.stringify(reply.body));
}
const ask = async (b: PipelineBench, dataset: string, column: string): Promise<Impact> => {
  const { status, body } = await b.send<Impact>('GET', `/lineage/impact?project=demo&dataset=${dataset}&column=${column}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
};
/** Names with what they read and how. */
const told = (reads: Impact['pipelines']): Record<string, string> =>
  Object.fromEntries(reads.map((r) => [r.name, r.columns.map((c) => `${c.name} ${c.how}`).join(', ')]));
const maps = async (b: PipelineBench): Promise<number> =>
  Number((await sql<{ n: number }>`select count(*) as n from events where type = 'column-map.derived'`.execute(b.ctx().db)).rows[0]!.n);

eachDatabase('what breaks if a column goes: data, features, training, monitors, contracts, subjects', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await b.apply(definition(), files);
  await push(b, 'raw', RAW);
  await push(b, 'people', PEOPLE);
  await b.drain();

  const ended = await ask(b, 'raw', 'ended');
  assert.deepEqual(told(ended.datasets), { trips: 'ended value, late value' });
  assert.deepEqual(told(ended.featureViews), { town_late: 'share value' });
  assert.deepEqual(told(ended.endpoints), { late: 'town_late.share value' });
  assert.deepEqual(told(ended.monitors), { late: 'town_late.share value' });
  // The label is computed from it; of the other columns it says when their rows were known.
  assert.match(told(ended.pipelines).train!, /train\.rows\.label value/);
  assert.match(told(ended.pipelines).train!, /train\.rows\.town rows/);
  assert.deepEqual([ended.contracts, ended.subjects, ended.coarse], [[], [], []]);

  const town = await ask(b, 'raw', 'town');
  assert.deepEqual(town.contracts, ['contracts/raw.yaml']);
  assert.match(told(town.endpoints).late!, /trip\.town value/);
  const who = await ask(b, 'people', 'who');
  assert.deepEqual(told(who.featureViews), { rider: 'age rows, home rows' });
  assert.deepEqual(who.subjects, ['person']);
  // A filter decides which rows there are.
  assert.deepEqual(told((await ask(b, 'raw', 'cancelled')).featureViews), { town_late: 'share rows' });
  // A column that nothing reads breaks nothing; one that is not there is told.
  const unused = await ask(b, 'people', 'unused');
  assert.deepEqual([unused.featureViews, unused.pipelines, unused.modelVersions, unused.datasets], [[], [], [], []]);
  for (const which of ['dataset=people&column=nowhere', 'dataset=nowhere&column=age'])
    assert.equal((await b.send<{ code: string }>('GET', `/lineage/impact?project=demo&${which}`)).body.code, 'column-unknown');
});

eachDatabase('what breaks is told as far as the caller may read it', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await b.apply(definition(), files);
  await push(b, 'raw', RAW);
  await b.drain();
  await createUser(b.ctx(), { name: 'ada', password: 'correct horse battery', role: 'admin' });
  await createUser(b.ctx(), { name: 'ed', password: 'correct horse battery', role: 'editor' });
  const headers = { authorization: `Basic ${Buffer.from('ed:correct horse battery').toString('base64')}` };
  const impact = () => b.send<Impact>('GET', '/lineage/impact?project=demo&dataset=raw&column=ended', undefined, headers);
  const close = (of: 'dataset' | 'endpoint', id: string) => grantLevel(b.ctx(), { user: 'ed', kind: of, id, level: 'NO_PERMISSIONS' });
  assert.deepEqual(told((await impact()).body.endpoints), { late: 'town_late.share value' });
  assert.equal((await impact()).body.hidden, 0);
  await close('endpoint', 'late');
  const { body } = await impact();
  assert.deepEqual([body.endpoints, told(body.datasets), body.hidden], [[], { trips: 'ended value, late value' }, 1]);
  // What is made from what is closed is behind it.
  await close('dataset', 'demo/trips');
  const less = (await impact()).body;
  assert.deepEqual([less.datasets, less.featureViews, less.pipelines], [[], [], []]);
  assert.ok(less.hidden > 1);
  await close('dataset', 'demo/raw');
  assert.equal((await impact()).status, 403);
});

test('the map follows the project file and the data, says nothing twice, and forgets what the current file no longer reads', async (t) => {
  const b = await openPipelines(t);
  await b.apply(definition(), files);
  await push(b, 'raw', RAW);
  await b.drain();
  const before = await maps(b);
  // The same columns in another version, and a project file that changes nothing of them.
  await push(b, 'raw', `${RAW} union all select 9, 'p9', 'far', timestamp '2013-01-01', timestamp '2013-01-02', 3.0, null, 'x'`);
  await b.apply(definition('description: another text\n'), files);
  await b.drain();
  assert.equal(await maps(b), before);
  assert.deepEqual(told((await ask(b, 'raw', 'cancelled')).featureViews), { town_late: 'share rows' });
  await b.apply(definition(), { ...files, 'sql/trips.sql': files['sql/trips.sql'].replace(' where cancelled is null', '') });
  await b.drain();
  assert.deepEqual((await ask(b, 'raw', 'cancelled')).featureViews, []);
  // SQL that cannot be taken apart is told by its tables, and said to be.
  await b.apply(definition(), {
    ...files,
    'sql/town_late.sql':
      'select town, ended as occurred_at, ended as known_at, v as share from (unpivot trips on distance into name n value v)',
  });
  await b.drain();
  const coarse = await ask(b, 'trips', 'who');
  assert.deepEqual(coarse.coarse, ['sql/town_late.sql']);
  assert.deepEqual(told(coarse.featureViews), { town_late: 'share maybe' });
});

test('columns that DuckDB names are found by its names; what a version has and nobody can explain is told as maybe', async (t) => {
  const b = await openPipelines(t);
  const project = (sql: string): Promise<unknown> =>
    b.apply(
      'project: demo\ncode: [sql/**]\ndatasets:\n  raw: { source: raw.parquet, key: [id] }\n  made: { sql: sql/made.sql, from: [raw], key: [town] }\n',
      {
        'sql/made.sql': sql,
      },
    );
  await project('select TOWN, max(a.distance), a.starts, b.starts from raw a join raw b using (town, id) group by all');
  await push(b, 'raw', RAW);
  await b.drain();
  const made = async (column: string): Promise<[string, readonly string[]]> => {
    const { datasets, coarse } = await ask(b, 'raw', column);
    return [told(datasets).made ?? '', coarse];
  };
  assert.deepEqual(await made('distance'), ['max(a.distance) value', []]);
  assert.deepEqual(await made('starts'), ['max(a.distance) rows, starts value, starts_1 value, town rows', []]);
  assert.deepEqual(await made('note'), ['', []]);
  await project("select columns('^(town|note)$') from raw limit 1");
  await b.drain();
  assert.deepEqual(await made('note'), ['note maybe, town maybe', ['sql/made.sql']]);
});

test('columns are in the graph when they are asked for, and it is rebuilt from the events as it was', async (t) => {
  const b = await openPipelines(t);
  await b.apply(definition(), files);
  await push(b, 'raw', RAW);
  await push(b, 'people', PEOPLE);
  await b.drain();
  const ids = async (root: Ref, more = ''): Promise<string[]> => {
    const { body } = await b.send<{ nodes: Ref[] }>('GET', `/lineage/${root.kind}/${encodeURIComponent(root.id)}?direction=to${more}`);
    return body.nodes.map((n) => `${n.kind} ${n.id}`);
  };
  const dataset = { kind: 'dataset', id: 'demo/people' };
  assert.ok(!(await ids(dataset)).some((n) => n.startsWith('column ') || n.startsWith('feature ')));
  assert.ok((await ids(dataset, '&columns=true')).includes('feature demo/rider.age'));
  assert.ok((await ids({ kind: 'column', id: 'demo/people.age' })).includes('feature demo/rider.age'));
  const dump = async (): Promise<string> => {
    const nodes = await sql`select * from lineage_nodes order by workspace_id, kind, id`.execute(b.ctx().db);
    const edges = await sql`select * from lineage_edges order by workspace_id, from_kind, from_id, relation, to_kind, to_id`.execute(
      b.ctx().db,
    );
    return JSON.stringify([nodes.rows, edges.rows]);
  };
  const grown = await dump();
  await b.ctx().tx(async ({ db }) => {
    await sql`delete from event_cursors where subscriber = 'lineage'`.execute(db);
    await sql`delete from lineage_nodes`.execute(db);
    await sql`delete from lineage_edges`.execute(db);
  });
  await b.drain();
  assert.equal(await dump(), grown);
  const { nodes } = await walk(b.ctx(), { kind: 'feature', id: 'demo/town_late.share' }, 'from', 20, {
    without: columnKinds.filter((k) => k !== 'column'),
  });
  assert.ok(nodes.some((n) => n.id === 'demo/raw.starts'));
});
