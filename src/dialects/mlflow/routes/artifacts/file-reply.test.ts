import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { openPathZone } from '../../../../kernel/blobs/path-zone.ts';
import { isProblem } from '../../../../kernel/errors.ts';
import { fileReply } from './file-reply.ts';
import { attachment, safeFile, safePath } from './names.ts';

test('one range of a file is given, several or other units are the whole, and one outside is refused', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'gyre-reply-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const zone = openPathZone(root, 'process');
  await zone.write('d/f.txt', Readable.from([Buffer.from('0123456789')]));
  const ask = async (headers: Record<string, string>) => {
    const reply = await fileReply({ zone, path: 'd/f.txt' }, headers, 'f.txt');
    const body = reply.body instanceof Readable ? Buffer.concat(await reply.body.toArray()).toString() : reply.body;
    return [reply.status, body, reply.headers['content-range']];
  };
  assert.deepEqual(await ask({}), [200, '0123456789', undefined]);
  assert.deepEqual(await ask({ range: 'bytes=2-4' }), [206, '234', 'bytes 2-4/10']);
  assert.deepEqual(await ask({ range: 'bytes=8-' }), [206, '89', 'bytes 8-9/10']);
  assert.deepEqual(await ask({ range: 'bytes=8-99' }), [206, '89', 'bytes 8-9/10']);
  assert.deepEqual(await ask({ range: 'bytes=-3' }), [206, '789', 'bytes 7-9/10']);
  assert.deepEqual(await ask({ range: 'bytes=-99' }), [206, '0123456789', 'bytes 0-9/10']);
  assert.deepEqual(await ask({ range: 'bytes=10-' }), [416, '', 'bytes */10']);
  for (const range of ['bytes=0-1,4-5', 'bytes=5-2', 'bytes=-', 'lines=1-2', 'x']) assert.equal((await ask({ range }))[0], 200, range);
  assert.equal((await ask({ range: 'bytes=2-4', 'if-range': '"of another state"' }))[0], 200);
  await assert.rejects(
    fileReply({ zone, path: 'd/none' }, {}, '0/run/none'),
    (e) => isProblem(e, 'artifact-not-found') && e.message === "No such artifact: '0/run/none'",
  );
  await assert.rejects(fileReply({ zone, path: 'd' }, {}, '0/run/d'), /Artifact path refers to a directory, not a file: '0\/run\/d'/);
});

test('no name of a file gets out of its header', () => {
  assert.equal(attachment('a.txt'), 'attachment; filename=a.txt');
  assert.equal(attachment('a b.txt'), 'attachment; filename="a b.txt"');
  assert.equal(attachment('a"; x=y\\.txt'), 'attachment; filename="a\\"; x=y\\\\.txt"');
  assert.equal(attachment('a\r\nset-cookie: x'), 'attachment; filename="a__set-cookie: x"');
  assert.equal(attachment('ä日.txt'), "attachment; filename=a.txt; filename*=UTF-8''%C3%A4%E6%97%A5.txt");
  assert.equal(attachment('日本'), "attachment; filename=download; filename*=UTF-8''%E6%97%A5%E6%9C%AC");
  assert.equal(attachment("ü'(*).txt"), "attachment; filename=\"u'(*).txt\"; filename*=UTF-8''%C3%BC%27%28%2A%29.txt");
  // Half of a pair of surrogates is no character of any encoding.
  assert.match(attachment('\ud800x'), /^attachment; filename=x; filename\*=UTF-8''%EF%BF%BDx$/);
});

test('a path is looked at with every layer of escapes taken off', () => {
  assert.equal(safePath('a/100% ü.txt'), 'a/100% ü.txt');
  assert.equal(safePath('a%2520b/'), 'a b');
  assert.equal(safePath(''), '');
  assert.equal(safePath('dogs%step%0%timestamp%1795820081530%w0d.png'), 'dogs%step%0%timestamp%1795820081530%w0d.png');
  assert.equal(safePath('a%250ab\u007f'), 'a%0ab%7f');
  const eleven = Array.from({ length: 11 }).reduce<string>((text) => encodeURIComponent(text), '..');
  for (const path of [
    '..',
    'a/../b',
    '%2e%2e',
    '%252e%252e/x',
    `100%/%2e%2e/x`,
    'a%5cb',
    '/x',
    'C:x',
    'a#b',
    'FILE:x',
    'a//b',
    `${eleven.replaceAll('.', '%2e')}`,
  ])
    assert.throws(() => safePath(path), /Invalid path/, path);
  assert.throws(() => safeFile(''), /Invalid path/);
  assert.throws(() => safeFile('a/'), /must include a filename/);
});
