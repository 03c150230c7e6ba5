import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { isProblem } from '../../kernel/errors.ts';
import { currentRevision } from '../projects/public.ts';
import { hmacOf, subjectKey, subjectOf, suppress } from '../subjects/public.ts';
import { openBench, SUBJECT } from './fixtures/bench.ts';
import { runErasure } from './service/erase.ts';
import { sealSubject } from './service/request.ts';
import { collectLinks } from './service/search.ts';
import { insertErasure } from './store.ts';

test('a run that is under way ends before the erasure begins; a new one is refused with the erasure’s name until it has ended', async (t) => {
  const bench = await openBench(t);
  await bench.fill();
  const run = await bench.start('p', { noCache: true });
  const id = await bench.request(`tailnum=${SUBJECT}`);
  const refused = await bench.send<{ code: string; detail: string }>('POST', '/projects/demo/pipelines/p/runs', {});
  assert.deepEqual([refused.status, refused.body.code], [409, 'erasure-running']);
  assert.match(refused.body.detail, new RegExp(id));
  const second = await bench.send<{ code: string }>('POST', '/projects/demo/erasures', { subject: 'tailnum=N20001', reason: 'x' });
  assert.deepEqual([second.status, second.body.code], [409, 'erasure-running']);
  await bench.drain();
  assert.equal((await bench.run(run.id)).state, 'succeeded');
  const certificate = await bench.certificate(id);
  // What the run made is cleared, too.
  assert.equal(certificate.places.find((p) => p.place === 'output of a step, training table')?.rowsRemoved, 40);
  assert.equal((await bench.finish()).state, 'succeeded');
});

test('a dry run and a look-up count and change nothing, and each is written down by HMAC', async (t) => {
  const bench = await openBench(t);
  await bench.fill();
  const id = await bench.request(`tailnum=${SUBJECT}`, { dryRun: true });
  await bench.drain();
  const dry = (
    await bench.send<{ state: string; places: { place: string; rowsRemoved: number }[] }>('GET', `/projects/demo/erasures/${id}`)
  ).body;
  assert.deepEqual([dry.state, dry.places.find((p) => p.place === 'inference log (segments)')?.rowsRemoved], ['completed', 2]);
  const none = await bench.send<{ code: string }>('GET', `/projects/demo/erasures/${id}/certificate`);
  assert.deepEqual([none.status, none.body.code], [409, 'erasure-not-ended']);
  const ask = () =>
    bench.send<{
      suppressed: boolean;
      subject: { hmac: string };
      places: { place: string; rowsRemoved: number }[];
      accesses: { kind: string; ref: string }[];
    }>('POST', '/projects/demo/subjects/look-up', { subject: `aircraft=${SUBJECT}`, reason: `asked by ${SUBJECT}` });
  const { body } = await ask();
  assert.deepEqual(
    [body.suppressed, body.accesses.map((a) => [a.kind, a.ref])],
    [
      false,
      [
        ['looked-up', id],
        ['looked-up', ''],
      ],
    ],
  );
  assert.equal(body.places.find((p) => p.place === 'dataset version')?.rowsRemoved, 161);
  assert.ok(!JSON.stringify(body).includes(SUBJECT));
  const faulty = await bench.send<{ code: string }>('POST', '/projects/demo/erasures', { subject: 'nobody', reason: 'x' });
  assert.deepEqual([faulty.status, faulty.body.code], [400, 'subject-invalid']);
  const unknown = await bench.send<{ code: string }>('GET', '/projects/demo/erasures/ers_none');
  assert.deepEqual([unknown.status, unknown.body.code], [404, 'erasure-not-found']);
  await bench.erase(`tailnum=${SUBJECT}`);
  const after = (await ask()).body;
  assert.deepEqual([after.suppressed, after.places.reduce((sum, p) => sum + p.rowsRemoved, 0)], [true, 0]);
});

test('an erasure that looks again and still finds the subject says where, and goes on from the files', async (t) => {
  const bench = await openBench(t);
  await bench.fill();
  const ctx = bench.ctx();
  const { definition } = await currentRevision(ctx, 'demo');
  const subject = subjectOf(definition, `tailnum=${SUBJECT}`);
  await collectLinks(ctx, definition, subject, join(bench.folder, 'erasing', 'ers_late'));
  await ctx.tx(async (tx) => {
    await suppress(tx, 'demo', subject, 'ers_late');
    await insertErasure(tx.db, tx.workspace, {
      id: 'ers_late',
      project: 'demo',
      subjectKind: subject.kind,
      subjectHmac: hmacOf(subjectKey(bench.folder), SUBJECT),
      sealedSubject: sealSubject(tx, subject),
      reason: '',
      dryRun: false,
      state: 'verifying',
      findings: {},
      certificate: null,
      error: null,
      actor: { kind: 'local', id: 'local' },
      createdMs: 0,
      finishedMs: null,
      version: 1,
    });
  });
  await assert.rejects(
    runErasure(ctx, 'ers_late', () => undefined),
    (error) => isProblem(error, 'erasure-incomplete') && /dataset version/.test(error.message),
  );
  await runErasure(ctx, 'ers_late', () => undefined);
  assert.ok((await bench.certificate('ers_late')).rowsRemoved > 200);
  const reply = await bench.app.inject({
    url: '/api/gyre/v1/projects/demo/erasures/ers_late/certificate.md',
    headers: { host: '127.0.0.1' },
  });
  assert.match(String(reply.headers['content-type']), /^text\/markdown/);
  assert.match(reply.payload, /^# Certificate of erasure ers_late\n/);
});
