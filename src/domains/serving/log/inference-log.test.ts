import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { silentLog } from '../../../kernel/log.ts';
import { folder } from '../fixtures/plane.ts';
import { crc32c } from './crc32c.ts';
import { openInferenceLog, type Entry, type InferenceLogOptions } from './inference-log.ts';
import type { RecordDefinition } from './record.ts';
import { findPrediction, readSegment, sealedSegments } from './segment.ts';

const definition: RecordDefinition = {
  workspace: 'default',
  project: 'flights',
  endpoint: 'late',
  revision: 3,
  variant: 'stable',
  model: 'late',
  modelVersion: '2',
  modelDigest: 'd',
  request: ['origin'],
  views: [{ view: 'weather', entity: ['origin'], columns: ['temp'] }],
  inputs: ['temp', 'origin'],
  types: { request: ['string'], inputs: ['number', 'string'] },
};
const entry = (i: number, by: RecordDefinition = definition): Entry => ({
  definition: by,
  body: {
    eventTimeUs: 1000 + i,
    recordedMs: 5,
    latencyUs: 40,
    ...(i % 2 === 0 ? { stagesUs: { parse: 4, features: 3, queue: 20, model: 13 } } : {}),
    assignmentKey: `k${i}`,
    assignment: 'sticky',
    request: ['EWR'],
    facts: [{ knownAtUs: 9, occurredAtUs: 8, values: [i] }],
    inputs: [i, 'EWR'],
    score: i / 7,
    error: null,
  },
});

function open(t: TestContext, change: Partial<InferenceLogOptions> = {}) {
  const dir = folder(t);
  const log = openInferenceLog({ folder: join(dir, 'r1'), replica: 'r1', log: silentLog, ...change });
  t.after(() => log.close());
  return {
    dir,
    log,
    file: () =>
      join(
        dir,
        'r1',
        readdirSync(join(dir, 'r1')).find((n) => n.endsWith('.open'))!,
      ),
  };
}

test('The checksum is CRC-32C', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
});

test('Inputs that are as they were received are written once, and others come back as they were', (t) => {
  const { dir, log, file } = open(t);
  const received = entry(7);
  const [, replaced] = log.append([received, { ...received, body: { ...received.body, facts: [null], inputs: [12.5, 'EWR'] } }]);
  const [, unknown] = log.append([received, { ...received, body: { ...received.body, facts: [null], inputs: [null, 'EWR'] } }]);
  assert.deepEqual(findPrediction(dir, replaced!)!.inputs, { temp: 12.5, origin: 'EWR' });
  assert.deepEqual(findPrediction(dir, unknown!)!.inputs, { temp: null, origin: 'EWR' });
  const written = readFileSync(file(), 'latin1');
  assert.equal(written.split('"EWR"').length - 1, 4 + 1, 'each of four records has it once, and one of them a second time');
});

test('A record comes back by its id with names and values, from an open and from a sealed segment', async (t) => {
  const { dir, log } = open(t);
  const ids = log.append([entry(1), entry(2), entry(3, { ...definition, variant: 'candidate' })]);
  const check = () => {
    const record = findPrediction(dir, ids[1]!)!;
    assert.deepEqual(
      [record.id, record.score, record.variant, record.request, record.inputs],
      [ids[1], 2 / 7, 'stable', { origin: 'EWR' }, { temp: 2, origin: 'EWR' }],
    );
    assert.deepEqual([record.latencyUs, record.stagesUs], [40, { parse: 4, features: 3, queue: 20, model: 13 }]);
    assert.deepEqual([findPrediction(dir, ids[0]!)!.latencyUs, findPrediction(dir, ids[0]!)!.stagesUs], [40, undefined]);
    assert.deepEqual(record.features, [
      { view: 'weather', entity: ['origin'], fact: { knownAtUs: 9, occurredAtUs: 8, values: { temp: 2 } } },
    ]);
    assert.equal(findPrediction(dir, ids[2]!)?.variant, 'candidate');
  };
  check();
  await log.seal();
  check();
  for (const id of ['', 'r1.dropped.0', 'r1.zzz.0', '../../etc.passwd.0', `${ids[0]}9`])
    assert.equal(findPrediction(dir, id), undefined, id);
});

test('A tail torn at any byte is cut off on reopening, and every whole record before it stays', async (t) => {
  const { dir, log, file } = open(t);
  log.append([entry(0), entry(1)]);
  const whole = readFileSync(file()).length;
  log.append([entry(2)]);
  const path = file();
  const bytes = readFileSync(path);
  await log.seal();
  for (let cut = whole; cut < bytes.length; cut += 13) {
    const torn = join(dir, 'torn', `seg${cut}.open`);
    const reopened = openInferenceLog({ folder: join(dir, 'torn'), replica: 'torn', log: silentLog });
    appendFileSync(torn, bytes);
    truncateSync(torn, cut);
    await reopened.close();
    await openInferenceLog({ folder: join(dir, 'torn'), replica: 'torn', log: silentLog }).close();
    const contents = readSegment(torn.replace('.open', '.seg'));
    assert.deepEqual([contents.records.length, contents.torn, contents.validBytes], [2, false, whole], `cut at ${cut}`);
  }
});

test('A flipped bit ends the segment at the record before it', async (t) => {
  const { log } = open(t);
  log.append([entry(0), entry(1), entry(2)]);
  const [sealed] = await log.seal();
  const bytes = readFileSync(sealed!.path);
  bytes[bytes.length - 20]! ^= 1;
  const { writeFileSync } = await import('node:fs');
  writeFileSync(sealed!.path, bytes);
  assert.deepEqual([readSegment(sealed!.path).records.length, readSegment(sealed!.path).torn], [2, true]);
});

test('Segments are sealed by size and by age, and ids never repeat', async (t) => {
  let nowMs = 1_000_000;
  const { dir, log } = open(t, { maxBytes: 900, maxAgeMs: 5000, now: () => nowMs });
  const ids = new Set(Array.from({ length: 40 }, (_, i) => log.append([entry(i)])[0]!));
  assert.equal(ids.size, 40);
  const bySize = (await log.seal()).length;
  assert.ok(bySize > 3, `${bySize} segments`);
  log.append([entry(0)]);
  nowMs += 5000;
  log.append([entry(1)]);
  assert.equal((await log.seal()).length, bySize + 2);
  assert.ok([...ids].every((id) => findPrediction(dir, id)?.id === id));
});

test('An idle log writes no file at all', async (t) => {
  const { dir, log } = open(t);
  assert.deepEqual(await log.seal(), []);
  assert.deepEqual(readdirSync(join(dir, 'r1')), []);
});

test('On a failing disk records are dropped and counted, half a write is taken back, and it heals by itself', async (t) => {
  let nowMs = 0;
  let failing = false;
  const { dir, log } = open(t, {
    now: () => nowMs,
    retryMs: 1000,
    write: (fd, bytes, offset, length, position) => {
      if (!failing) return writeSync(fd, bytes, offset, length, position);
      if (length <= 100) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
      return writeSync(fd, bytes, offset, 100, position);
    },
  });
  const before = log.append([entry(0)])[0]!;
  failing = true;
  const lost = [...log.append([entry(1)]), ...log.append([entry(2)])];
  assert.deepEqual(lost, ['r1.dropped.0', 'r1.dropped.1']);
  assert.deepEqual(log.state(), { dropped: 2, dropping: 'failed', written: 1 });
  failing = false;
  nowMs = 1000;
  const after = log.append([entry(3)])[0]!;
  assert.deepEqual(log.state(), { dropped: 2, dropping: 'no', written: 2 });
  await log.seal();
  assert.deepEqual(
    [before, after].map((id) => findPrediction(dir, id)?.eventTimeUs),
    [1000, 1003],
  );
  assert.ok(sealedSegments(join(dir, 'r1')).every((path) => !readSegment(path).torn));
});

test('A slow write switches to dropping until a quick one', (t) => {
  let nowMs = 0;
  let slowMs = 30;
  const { log } = open(t, {
    now: () => nowMs,
    slowWriteMs: 10,
    write: (fd, bytes, offset, length, position) => {
      const until = performance.now() + slowMs;
      while (performance.now() < until);
      return writeSync(fd, bytes, offset, length, position);
    },
  });
  log.append([entry(0)]);
  assert.equal(log.state().dropping, 'slow');
  assert.match(log.append([entry(1)])[0]!, /dropped/);
  [nowMs, slowMs] = [5000, 0];
  assert.doesNotMatch(log.append([entry(2)])[0]!, /dropped/);
  assert.equal(log.state().dropping, 'no');
});

test('A real file-size limit drops what does not fit and goes on in the next segment', (t) => {
  const dir = folder(t);
  const script = `
    const { openInferenceLog } = await import(process.argv[1]);
    const log = openInferenceLog({ folder: process.argv[2], replica: 'r1', retryMs: 0, log: { info() {}, warn() {}, error() {}, debug() {}, child() {} } });
    const { definition, body } = JSON.parse(process.argv[3]);
    const ids = Array.from({ length: 400 }, () => log.append([{ definition, body }])[0]);
    await log.close();
    console.log(JSON.stringify({ ids, state: log.state() }));`;
  // ulimit counts blocks of 512 bytes; the signal is ignored so that the write itself fails with EFBIG.
  const child = spawnSync(
    'sh',
    [
      '-c',
      'trap "" XFSZ; ulimit -f 32; exec "$@"',
      'sh',
      process.execPath,
      '--no-warnings',
      '--input-type=module',
      '-e',
      script,
      join(import.meta.dirname, 'inference-log.ts'),
      join(dir, 'r1'),
      JSON.stringify({ definition, body: entry(1).body }),
    ],
    { encoding: 'utf8' },
  );
  assert.equal(child.status, 0, child.stderr);
  const { ids, state } = JSON.parse(child.stdout) as { ids: string[]; state: { dropped: number; written: number } };
  assert.ok(state.dropped > 0 && state.written > 300, JSON.stringify(state));
  assert.equal(ids.filter((id) => id.includes('dropped')).length, state.dropped);
  assert.ok(ids.every((id) => id.includes('dropped') || findPrediction(dir, id)?.id === id));
  assert.ok(existsSync(join(dir, 'r1')));
});
