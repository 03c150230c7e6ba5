import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { eachDatabase, openPlatform, type TestPlatform } from '../../../test/support/platform.ts';
import { openPipelines } from '../../../test/support/pipelines.ts';
import type { Edge, Ref } from '../../kernel/events/events.ts';
import { walk } from './graph.ts';

const ref = (id: string, kind = 'thing'): Ref => ({ kind, id });
const edge = (from: string, to: string, relation = 'input'): Edge => ({ from: ref(from), to: ref(to), relation });

async function tell(
  p: TestPlatform,
  id: string,
  edges: readonly Edge[],
  options: { workspace?: string; label?: string } = {},
): Promise<void> {
  const ctx = p.ctx(options.workspace ? { workspace: options.workspace } : {});
  await ctx.tx((tx) => tx.emit({ type: 'thing.made', subject: ref(id), label: options.label ?? `the ${id}`, payload: { of: id }, edges }));
}
const ids = (nodes: readonly { id: string }[]): string[] => nodes.map((n) => n.id).sort();
const dump = async (p: TestPlatform): Promise<string> => {
  const nodes = await sql`select * from lineage_nodes order by workspace_id, kind, id`.execute(p.ctx().db);
  const edges = await sql`select * from lineage_edges order by workspace_id, from_kind, from_id, relation, to_kind, to_id`.execute(
    p.ctx().db,
  );
  return JSON.stringify([nodes.rows, edges.rows]);
};

eachDatabase('what a thing was made from, and what was made from it, are two walks of one graph', async (t, kind) => {
  const p = await openPlatform(t, { database: kind });
  // d <- c <- b <- a, and e made from b as well.
  await tell(p, 'd', []);
  await tell(p, 'c', [edge('c', 'd')]);
  await tell(p, 'b', [edge('b', 'c'), edge('b', 'c', 'again')]);
  await tell(p, 'a', [edge('a', 'b')]);
  await tell(p, 'e', [edge('e', 'b')]);
  await p.drain();
  const why = await walk(p.ctx(), ref('a'), 'from', 20);
  assert.deepEqual(ids(why.nodes), ['a', 'b', 'c', 'd']);
  assert.equal(why.edges.length, 4);
  assert.equal(why.nodes.find((n) => n.id === 'b')!.label, 'the b');
  assert.deepEqual(why.nodes.find((n) => n.id === 'b')!.payload, { of: 'b' });
  assert.deepEqual(ids((await walk(p.ctx(), ref('d'), 'to', 20)).nodes), ['a', 'b', 'c', 'd', 'e']);
  assert.deepEqual(ids((await walk(p.ctx(), ref('d'), 'to', 1)).nodes), ['c', 'd']);
  assert.deepEqual(ids((await walk(p.ctx(), ref('e'), 'to', 20)).nodes), ['e']);
});

test('a circle, and a thing that only an edge speaks of, do no harm', async (t) => {
  const p = await openPlatform(t);
  await tell(p, 'a', [edge('a', 'b')]);
  await tell(p, 'b', [edge('b', 'a'), edge('b', 'unheard')]);
  await p.drain();
  const graph = await walk(p.ctx(), ref('a'), 'from', 20);
  assert.deepEqual(ids(graph.nodes), ['a', 'b', 'unheard']);
  assert.equal(graph.cut, false);
  assert.deepEqual(ids((await walk(p.ctx(), ref('unheard'), 'to', 20)).nodes), ['a', 'b', 'unheard']);
});

eachDatabase('built from scratch it is what it was built up to, and twice changes nothing', async (t, kind) => {
  const p = await openPlatform(t, { database: kind });
  await tell(p, 'a', [edge('a', 'b')], { label: '' });
  await p.drain();
  await tell(p, 'b', [edge('b', 'c')]);
  await p.drain();
  await tell(p, 'a', [edge('a', 'c')], { label: 'named late' });
  await tell(p, 'a', [edge('a', 'c')], { label: 'named again' });
  await p.drain();
  const grown = await dump(p);
  const rebuild = async (forget: boolean): Promise<string> => {
    await p.ctx().tx(async ({ db }) => {
      await sql`delete from event_cursors where subscriber = 'lineage'`.execute(db);
      if (!forget) return;
      await sql`delete from lineage_nodes`.execute(db);
      await sql`delete from lineage_edges`.execute(db);
    });
    await p.drain();
    return dump(p);
  };
  assert.equal(await rebuild(true), grown);
  assert.equal(await rebuild(false), grown);
  assert.equal((await walk(p.ctx(), ref('a'), 'from', 1)).nodes[0]!.label, 'named late');
});

eachDatabase('workspaces have graphs of their own, and unknown ids are told', async (t, kind) => {
  const p = await openPlatform(t, { database: kind });
  await tell(p, 'a', [edge('a', 'b')]);
  await tell(p, 'b', [edge('b', 'secret')], { workspace: 'other' });
  await p.drain();
  assert.deepEqual(ids((await walk(p.ctx(), ref('a'), 'from', 20)).nodes), ['a', 'b']);
  for (const [workspace, id] of [
    ['default', 'secret'],
    ['other', 'a'],
    ['default', 'none'],
  ] as const)
    await assert.rejects(walk(p.ctx({ workspace }), ref(id), 'from', 20), { code: 'lineage-unknown' });
});

eachDatabase('an event with very many edges is taken in, and a large graph is cut without loose ends', async (t, kind) => {
  const p = await openPlatform(t, { database: kind });
  await tell(
    p,
    'hub',
    Array.from({ length: 12_000 }, (_, i) => edge('hub', `f${i}`)),
  );
  await p.drain();
  const began = performance.now();
  const graph = await walk(p.ctx(), ref('hub'), 'from', 20);
  assert.ok(performance.now() - began < 5000);
  assert.equal(graph.cut, true);
  assert.equal(graph.nodes.length, 2000);
  const shown = new Set(graph.nodes.map((n) => n.id));
  assert.ok(graph.edges.every((e) => shown.has(e.from.id) && shown.has(e.to.id)));
  assert.equal(graph.edges.length, 1999);
  const back = await walk(p.ctx(), ref('f7'), 'to', 20);
  assert.deepEqual([back.cut, ids(back.nodes)], [false, ['f7', 'hub']]);
});

test('kinds can be left out of a walk, or end it, and the root is there in any case', async (t) => {
  const p = await openPlatform(t);
  const to = (from: Ref, target: Ref): Edge => ({ from, to: target, relation: 'input' });
  const [model, trigger, window, before, column] = [
    ref('m2', 'model-version'),
    ref('t', 'trigger'),
    ref('w', 'window'),
    ref('m1', 'model-version'),
    ref('c', 'column'),
  ];
  await p.ctx().tx((tx) =>
    tx.emit({
      type: 'thing.made',
      subject: model,
      edges: [to(model, trigger), to(trigger, window), to(window, before), to(model, column), to(column, ref('d', 'dataset'))],
    }),
  );
  await p.drain();
  const told = async (root: Ref, options: Parameters<typeof walk>[4]): Promise<string[]> =>
    ids((await walk(p.ctx(), root, 'from', 20, options)).nodes);
  assert.deepEqual(await told(model, { without: ['column'], stopAt: ['window'] }), ['m2', 't', 'w']);
  assert.deepEqual(await told(model, {}), ['c', 'd', 'm1', 'm2', 't', 'w']);
  assert.deepEqual(await told(column, { without: ['column'] }), ['c', 'd']);
  assert.deepEqual(await told(window, { stopAt: ['window'] }), ['m1', 'w']);
  // Nothing is shown of it, and yet it is known.
  assert.deepEqual(await told(trigger, { without: ['window'] }), ['t']);
});

eachDatabase('a deep question in a large graph is answered in batches, either way', async (t, kind) => {
  const p = await openPlatform(t, { database: kind });
  const [NODES, WIDE] = [6000, 3];
  for (let from = 1; from < NODES; from += 2000)
    await tell(
      p,
      `batch${from}`,
      Array.from({ length: 2000 }, (_, i) => from + i).flatMap((at) =>
        Array.from({ length: WIDE }, (_, k) => edge(`n${at}`, `n${Math.max(0, at - 1 - ((at * (k + 7)) % 50))}`, `r${k}`)),
      ),
    );
  await p.drain();
  for (const [root, direction] of [
    [`n${NODES - 1}`, 'from'],
    ['n1', 'to'],
  ] as const) {
    const began = performance.now();
    const graph = await walk(p.ctx(), ref(root), direction, 20);
    assert.ok(performance.now() - began < 4000);
    assert.ok(graph.nodes.length > 300, String(graph.nodes.length));
    const shown = new Set(graph.nodes.map((n) => n.id));
    assert.ok(graph.edges.every((e) => shown.has(e.from.id) && shown.has(e.to.id)));
  }
});

test('a run leads back to its code and steps; a run from the cache leads to the run that did the work', async (t) => {
  const b = await openPipelines(t);
  await b.apply(
    'project: demo\npipelines:\n  p:\n    steps:\n      a: { run: "python3 python/a.py", out: { d: folder } }\n      b: { run: "cat in/a/d", in: [a], code: [] }\n',
    { 'python/a.py': 'open("out/d", "w").write("1")\n' },
  );
  const first = await b.finish();
  assert.equal(first.state, 'succeeded', JSON.stringify(first.error));
  const second = await b.finish();
  await b.drain();
  interface Graph {
    nodes: { kind: string; id: string }[];
    edges: { relation: string; to: Ref }[];
  }
  const ask = async (kind: string, id: string, direction = 'from'): Promise<string[]> => {
    const { status, body } = await b.send<Graph>('GET', `/lineage/${kind}/${encodeURIComponent(id)}?direction=${direction}`);
    assert.equal(status, 200, JSON.stringify(body));
    return body.nodes.map((n) => `${n.kind} ${n.id}`);
  };
  const chain = await ask('step', `${first.id}/b`);
  assert.ok(chain.includes(`step ${first.id}/a`));
  assert.ok(chain.includes(`pipeline-run ${first.id}`));
  assert.ok(chain.some((n) => n.startsWith('source-file ') && n.endsWith(' python/a.py')));
  const reused = await ask('pipeline-run', second.id);
  assert.ok(reused.includes(`step ${first.id}/a`) && reused.includes(`step ${first.id}/b`));
  // The other direction: from the source file to everything that used it.
  const file = chain.find((n) => n.startsWith('source-file '))!.slice('source-file '.length);
  const impact = await ask('source-file', file, 'to');
  assert.ok(impact.includes(`step ${first.id}/b`) && impact.includes(`pipeline-run ${second.id}`));
  assert.equal((await b.send<{ code: string }>('GET', '/lineage/step/none')).body.code, 'lineage-unknown');
  assert.equal((await b.send<{ code: string }>('GET', '/predictions/r1.1.1/why')).body.code, 'prediction-not-found');
});
