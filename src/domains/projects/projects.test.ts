import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { openControl, sha256, type TestControl } from '../../../test/support/control.ts';
import { eachDatabase } from '../../../test/support/databases.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { currentRevision, snapshotFiles } from './public.ts';
import { applyProject } from './service.ts';

const text = (more = ''): string => `project: p\ndatasets:\n  a: { source: a.parquet, key: [k] }\n${more}`;
const second = '  b: { source: b.parquet, key: [k] }\n';

/** Bytes in the content-addressed store. */
const storedBytes = (c: TestControl): number =>
  readdirSync(join(c.folder, 'cas'), { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .reduce((sum, e) => sum + statSync(join(e.parentPath, e.name)).size, 0);

async function snapshot(c: TestControl, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const digests: Record<string, string> = {};
  for (const [path, content] of Object.entries(files)) digests[path] = await c.upload(Buffer.from(content));
  return (await c.call('POST', '/snapshots', { files: digests })).get('id');
}

eachDatabase('Plan says what would change and changes nothing; apply makes numbered revisions', async (t, kind) => {
  const c = await openControl(t, kind);
  const plan = await c.call('POST', '/projects/plan', { text: text() });
  assert.deepEqual(
    [plan.status, plan.get('baseRevision'), plan.get('changes')],
    [200, 0, [{ kind: 'dataset', name: 'a', change: 'added' }]],
  );
  assert.equal((await c.call('GET', '/projects/p')).code, 'project-not-found');

  const first = await c.apply({ 'gyre.yaml': text() });
  assert.deepEqual([first.get('created'), first.get('revision.number')], [true, 1]);
  const again = await c.apply({ 'gyre.yaml': text('# only a comment\n') });
  assert.deepEqual([again.get('created'), again.get('revision.id')], [false, first.get('revision.id')]);
  const changed = await c.apply({ 'gyre.yaml': text(second).replace('[k]', '[k, l]') });
  assert.deepEqual(changed.get('changes'), [
    { kind: 'dataset', name: 'a', change: 'changed', differs: ['key: ["k"] -> ["k","l"]'] },
    { kind: 'dataset', name: 'b', change: 'added' },
  ]);
  const detached = await c.apply({ 'gyre.yaml': text() });
  assert.deepEqual(detached.get('changes'), [
    { kind: 'dataset', name: 'a', change: 'changed', differs: ['key: ["k","l"] -> ["k"]'] },
    { kind: 'dataset', name: 'b', change: 'detached' },
  ]);
  const listed = (await c.call('GET', '/projects/p/revisions?limit=2')).get<{ number: number }[]>('items');
  assert.deepEqual(
    listed.map((r) => r.number),
    [3, 2],
  );
  assert.deepEqual((await c.call('GET', '/projects')).get('items.0.revision'), 3);
});

eachDatabase('Apply needs the revision that the plan saw', async (t, kind) => {
  const c = await openControl(t, kind);
  const id = await snapshot(c);
  await c.apply({ 'gyre.yaml': text() });
  for (const baseRevision of [0, 2]) {
    const refused = await c.call('POST', '/projects/apply', { text: text(second), snapshot: id, baseRevision });
    assert.deepEqual([refused.status, refused.code], [409, 'plan-outdated']);
    assert.match(refused.get('detail'), /the project is at 1\. Plan again/);
  }
  assert.equal((await c.call('POST', '/projects/apply', { text: text(second), snapshot: id, baseRevision: 1 })).status, 200);
});

eachDatabase('Of two applies at once one wins and the other is told to plan again', async (t, kind) => {
  const c = await openControl(t, kind);
  const id = await snapshot(c);
  for (const base of [0, 1]) {
    const both = await Promise.all(
      ['x', 'y'].map((name) =>
        c.call('POST', '/projects/apply', {
          text: text(`  ${name}${base}: { source: c.parquet, key: [k] }\n`),
          snapshot: id,
          baseRevision: base,
        }),
      ),
    );
    assert.deepEqual(both.map((r) => r.code).sort(), ['', 'plan-outdated'], JSON.stringify(both));
    assert.equal((await currentRevision(c.ctx, 'p')).number, base + 1);
  }
});

eachDatabase('Only files that the workspace does not have yet travel, and are stored once', async (t, kind) => {
  const c = await openControl(t, kind);
  const [big, small] = [Buffer.alloc(200_000, 'a'), Buffer.from('select 1')];
  const missing = async (...files: Buffer[]): Promise<string[]> =>
    (await c.call('POST', '/blobs/missing', { digests: files.map(sha256) })).get('missing');
  assert.deepEqual(await missing(big, small), [sha256(big), sha256(small)]);
  await c.upload(big);
  assert.deepEqual(await missing(big, small), [sha256(small)]);
  const before = storedBytes(c);
  await c.upload(small);
  assert.equal(storedBytes(c) - before, small.length);
  const one = await snapshot(c, { 'x.sql': 'select 1', 'big.bin': big.toString() });
  assert.equal(storedBytes(c) - before, small.length);
  assert.equal(await snapshot(c, { 'big.bin': big.toString(), 'x.sql': 'select 1' }), one);
  assert.deepEqual(await snapshotFiles(c.ctx, one), { 'big.bin': sha256(big), 'x.sql': sha256(small) });
  // Another workspace is told nothing of what this one has.
  const other = c.ctxOf('other');
  await assert.rejects(snapshotFiles(other, one), { code: 'snapshot-incomplete' });
  await assert.rejects(applyProject(other, { text: text(), snapshot: one }), { code: 'snapshot-incomplete' });
});

test('A snapshot whose files were not uploaded, or lack one that gyre.yaml names, is refused by name', async (t) => {
  const c = await openControl(t, 'sqlite');
  const absent = await c.call('POST', '/snapshots', { files: { 'a.py': sha256('never sent') } });
  assert.deepEqual([absent.status, absent.code, absent.get('parameters.missing')], [400, 'snapshot-incomplete', ['a.py']]);
  const named = text('  s: { sql: features/s.sql, from: [a], key: [k], contract: s.yaml }\n');
  const incomplete = await c.apply({ 'gyre.yaml': named, 's.yaml': 'x' });
  assert.deepEqual([incomplete.code, incomplete.get('parameters.missing')], ['snapshot-incomplete', ['features/s.sql']]);
  const unknown = await c.call('POST', '/projects/apply', { text: text(), snapshot: sha256('nothing') });
  assert.equal(unknown.code, 'snapshot-incomplete');
});

test('Bytes that do not have the digest they were sent under are not stored', async (t) => {
  const c = await openControl(t, 'sqlite');
  const digest = sha256('right');
  const refused = await c.call('PUT', `/blobs/${digest}`, Buffer.from('wrong'));
  assert.deepEqual([refused.status, refused.code, refused.get('parameters.found')], [400, 'digest-mismatch', sha256('wrong')]);
  assert.deepEqual((await c.call('POST', '/blobs/missing', { digests: [digest, sha256('wrong')] })).get('missing'), [
    digest,
    sha256('wrong'),
  ]);
});

test('Names of snapshot files cannot lead out of the folder they are laid out in', async (t) => {
  const c = await openControl(t, 'sqlite');
  const digest = await c.upload(Buffer.from('x'));
  for (const path of ['../x', '/etc/passwd', 'a/../../x', 'a//b', './x', 'a\\..\\x', 'x\0y', 'a/..'])
    assert.deepEqual((await c.call('POST', '/snapshots', { files: { [path]: digest } })).code, 'path-invalid', path);
  const clash = await c.call('POST', '/snapshots', { files: { a: digest, 'a/b': digest } });
  assert.deepEqual([clash.status, clash.code], [400, 'snapshot-clash']);
});

eachDatabase('A project keeps the timeline it was begun with', async (t, kind) => {
  const c = await openControl(t, kind);
  const replay = (start: string): string => `timeline: { mode: replay, start: ${start} }\n`;
  await c.apply({ 'gyre.yaml': text(replay('2013-03-01T00:00:00Z')) });
  assert.deepEqual((await c.call('GET', '/projects/p/timeline')).body, { mode: 'replay', now: '2013-03-01T00:00:00.000Z' });
  for (const other of ['', replay('2013-04-01T00:00:00Z')]) {
    const refused = await c.apply({ 'gyre.yaml': text(other) });
    assert.deepEqual([refused.status, refused.code], [409, 'timeline-fixed']);
  }
});

eachDatabase('A revision keeps its definition, commit and difference from it; faults come with their places', async (t, kind) => {
  const c = await openControl(t, kind);
  const id = await snapshot(c);
  const made = await c.call('POST', '/projects/apply', { text: text(), snapshot: id, commit: 'abc', dirtyDigest: sha256('diff') });
  assert.deepEqual([made.get('revision.commit'), made.get('revision.dirtyDigest')], ['abc', sha256('diff')]);
  assert.deepEqual((await c.call('GET', '/projects/p')).get('definition.datasets.a.key'), ['k']);
  const wrong = await c.call('POST', '/projects/apply', { text: 'project: p\ndatset: 1', snapshot: id });
  assert.deepEqual(
    [wrong.status, wrong.faults],
    [400, [{ pointer: 'gyre.yaml:2:1 datset', detail: '"datset" is not a known key here. Did you mean "datasets"?' }]],
  );
});

eachDatabase('An address that opens a door is in no plan, reply or event, and a secret is a reference', async (t, kind) => {
  const c = await openControl(t, kind);
  const receivers = (key: string): string => `receivers:
  chat: { slack: { url: "https://hooks.slack.example/services/T0/${key}" } }
  mail: { email: { to: [a@b.org], from: g@b.org, server: "smtp://ann:${key}@mail.b.org:587" } }
  am: { alertmanager: { url: "http://alertmanager:9093" } }
  ops: { webhook: { url: "env:OPS_URL", secret: "env:OPS_SECRET" } }
`;
  await c.apply({ 'gyre.yaml': text(receivers('first-key')) });
  const plan = await c.call('POST', '/projects/plan', { text: text(receivers('second-key')) });
  const applied = await c.apply({ 'gyre.yaml': text(receivers('second-key')) });
  assert.deepEqual(applied.get('changes.0'), {
    kind: 'receiver',
    name: 'chat',
    change: 'changed',
    differs: ['url: "https://hooks.slack.example/…" -> "https://hooks.slack.example/…"'],
  });
  const read = await c.call('GET', '/projects/p');
  assert.deepEqual(
    ['chat.url', 'mail.server', 'am.url', 'ops.url', 'ops.secret'].map((m) => read.get(`definition.receivers.${m}`)),
    ['https://hooks.slack.example/…', 'smtp://mail.b.org:587/…', 'http://alertmanager:9093', 'env:OPS_URL', 'env:OPS_SECRET'],
  );
  const events = { body: await eventsIn(c.ctx.db).selectFrom('events').selectAll().execute() };
  assert.equal(events.body.filter((e) => e.type === 'project-revision.applied').length, 2);
  for (const { body } of [plan, applied, read, events]) assert.doesNotMatch(JSON.stringify(body), /-key/);
  // The server itself still knows where to.
  const { definition } = await currentRevision(c.ctx, 'p');
  assert.ok(definition.receivers.chat!.kind === 'slack' && definition.receivers.chat!.url.endsWith('/second-key'));
  const literal = await c.call('POST', '/projects/plan', { text: text(receivers('k').replace('env:OPS_SECRET', 'the secret itself')) });
  assert.deepEqual([literal.status, literal.code], [400, 'project-invalid']);
  assert.match(literal.faults[0]!.detail, /env:NAME or file:/);
  assert.doesNotMatch(JSON.stringify(literal.body), /the secret itself/);
});

eachDatabase('Applying the same request again under one idempotency key makes one revision', async (t, kind) => {
  const c = await openControl(t, kind);
  const id = await snapshot(c);
  const send = async () => {
    const reply = await c.app.inject({
      method: 'POST',
      url: '/api/gyre/v1/projects/apply',
      headers: { host: '127.0.0.1', 'content-type': 'application/json', 'idempotency-key': 'one' },
      payload: JSON.stringify({ text: text(), snapshot: id, baseRevision: 0 }),
    });
    return [reply.statusCode, JSON.parse(reply.payload).revision.number];
  };
  assert.deepEqual(
    [await send(), await send()],
    [
      [200, 1],
      [200, 1],
    ],
  );
});

test('The schema of gyre.yaml is served to editors', async (t) => {
  const c = await openControl(t, 'sqlite');
  const schema = await c.call('GET', '/schemas/gyre.yaml.json');
  assert.equal(schema.status, 200);
  assert.equal(schema.get('$id'), 'https://gyre.dev/schemas/gyre.yaml.json');
  const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(schema.body as object);
  assert.ok(validate({ project: 'p' }));
  assert.equal(validate({ project: 'p', datset: {} }), false);
});
