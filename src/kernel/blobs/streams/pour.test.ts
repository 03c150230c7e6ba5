import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { test } from 'node:test';
import { FileReader } from './file-reader.ts';
import { pour } from './pour.ts';

const sinkThat = (write: (chunk: Buffer) => Promise<void>): Writable =>
  new Writable({ write: (chunk: Buffer, _encoding, done) => void write(chunk).then(() => done(), done) });

test('what passes through leaves less garbage than V8 lets gather, however much passes', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-pour-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'file');
  writeFileSync(file, '');
  const MB = 1024 * 1024;
  truncateSync(file, 400 * MB);
  const before = process.memoryUsage().arrayBuffers;
  let [most, bytes] = [0, 0];
  const sink = sinkThat(async (chunk) => {
    bytes += chunk.length;
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  });
  await pour(new FileReader(file, { start: 0, end: 400 * MB }), sink);
  assert.equal(bytes, 400 * MB);
  assert.ok(most < 24 * MB, `${most} bytes`);
});

test('a part of a file is read exactly, and the file is closed after it and when nobody wants it', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-pour-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'file');
  const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
  writeFileSync(file, content);
  const handle = await open(file);
  assert.ok(Buffer.concat(await new FileReader(handle, { start: 7, end: 200_001 }).toArray()).equals(content.subarray(7, 200_001)));
  assert.equal(handle.fd, -1);
  const other = await open(file);
  const reader = new FileReader(other, { start: 0, end: content.length });
  reader.read();
  await new Promise((resolve) => reader.once('close', resolve).destroy());
  assert.equal(other.fd, -1);
  await assert.rejects(new FileReader(join(dir, 'none'), { start: 0, end: 1 }).toArray(), { code: 'ENOENT' });
});

test('a source that breaks off ends the sink, and a sink that fails lets go of the source; both are told', async () => {
  const broken = Readable.from(
    (async function* () {
      yield Buffer.from('a');
      throw new Error('broken off');
    })(),
  );
  const sink = sinkThat(async () => undefined);
  await assert.rejects(pour(broken, sink), /broken off/);
  assert.ok(sink.destroyed);
  const source = Readable.from([Buffer.from('a'), Buffer.from('b')]);
  await assert.rejects(
    pour(
      source,
      sinkThat(async () => {
        throw new Error('no room');
      }),
    ),
    /no room/,
  );
  assert.ok(source.destroyed);
});
