import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { isProblem } from '../../../kernel/errors.ts';
import { folder } from '../fixtures/plane.ts';
import { openModel, scoreAt } from './onnx-runtime.ts';
import { scoreTable, validateModel } from './score-table.ts';
import { replaceZipMaps } from './zip-map.ts';

const model = (name: string): string => join(import.meta.dirname, '..', 'fixtures', `${name}.onnx`);
const columns = [
  ['UA', 'AA', ''],
  [20, 3, 12],
  [null, 1.5, NaN],
  [9, 2, 4],
];

test('Named inputs of numbers, integers and strings are scored in one batch as one by one', async () => {
  const session = await openModel(model('late'));
  const batch = (await session.run(3, (i) => columns[i]!, ['probabilities'])).get('probabilities')!;
  for (let row = 0; row < 3; row++) {
    const alone = (await session.run(1, (i) => [columns[i]![row]!], ['probabilities'])).get('probabilities')!;
    assert.equal(scoreAt(batch, row), scoreAt(alone, 0));
  }
  await session.release();
});

test('A model that ends in a ZipMap gives the same scores as the one without', async () => {
  const plain = await openModel(model('late'));
  const zipped = await openModel(model('zipmap'));
  const a = (await plain.run(3, (i) => columns[i]!, ['probabilities'])).get('probabilities')!;
  const b = (await zipped.run(3, (i) => columns[i]!, ['output_probability'])).get('output_probability')!;
  assert.deepEqual(
    [0, 1, 2].map((row) => scoreAt(b, row)),
    [0, 1, 2].map((row) => scoreAt(a, row)),
  );
});

test('A file that does not load, and a signature that cannot be served, are refused with the reason', async (t) => {
  const garbage = join(folder(t), 'garbage.onnx');
  writeFileSync(garbage, 'ZipMap is not enough');
  const cut = join(folder(t), 'cut.onnx');
  writeFileSync(cut, readFileSync(model('zipmap')).subarray(0, 6000));
  for (const path of [garbage, cut, join(folder(t), 'absent.onnx')])
    await assert.rejects(validateModel(path), (e) => isProblem(e, 'onnx-unreadable') && !e.message.includes('/'));
  await assert.rejects(
    validateModel(model('matrix')),
    (e) => isProblem(e, 'onnx-signature-unsupported') && /"x" is float32 of shape \[N, 3\]/.test(e.message),
  );
  await assert.rejects(
    validateModel(model('late'), { score: 'nope' }),
    (e) => isProblem(e, 'onnx-signature-unsupported') && /label, probabilities/.test(e.message),
  );
  assert.deepEqual(
    (await validateModel(model('late'), { score: 'probabilities' })).inputs.map((i) => `${i.name}:${i.type}`),
    ['carrier:string', 'hour:int64', 'temp:float32', 'wind_speed:float32'],
  );
});

test('A table is scored in its order in another process, missing values as NaN and ""', async (t) => {
  const dir = folder(t);
  const rows = Array.from({ length: 3000 }, (_, i) => ({
    carrier: ['UA', 'AA', null][i % 3],
    hour: i % 24,
    temp: i % 5 ? i / 10 : null,
    wind_speed: 3,
    other: 'x',
  }));
  const rowsPath = join(dir, 'rows.ndjson');
  writeFileSync(rowsPath, `${rows.map((r) => JSON.stringify(r)).join('\n')}\n{"carrier":"UA","hour":1,"temp":nan,"wind_speed":2}\n`);
  const scores = await scoreTable({ modelPath: model('late'), rowsPath, score: 'probabilities', outPath: join(dir, 'out.ndjson') });
  assert.equal(scores.length, 3001);
  const session = await openModel(model('late'));
  for (const i of [0, 1, 2, 5, 1023, 1024, 2999]) {
    const r = rows[i]!;
    const one = await session.run(1, (n) => [[r.carrier ?? ''], [r.hour], [r.temp], [r.wind_speed]][n] as number[], ['probabilities']);
    assert.equal(scores[i], scoreAt(one.get('probabilities')!, 0), `row ${i}`);
  }
  assert.equal(readFileSync(join(dir, 'out.ndjson'), 'utf8').split('\n')[2], JSON.stringify({ row: 2, score: scores[2] }));
});

test('A row that cannot be scored is named by row and column', async (t) => {
  const rowsPath = join(folder(t), 'rows.ndjson');
  const good = { carrier: 'UA', hour: 1, temp: 1, wind_speed: 1 };
  for (const [bad, column] of [
    [{ ...good, hour: null }, 'hour'],
    [{ ...good, hour: 1.5 }, 'hour'],
    [{ ...good, temp: 'warm' }, 'temp'],
    [{ ...good, carrier: 3 }, 'carrier'],
  ] as const) {
    writeFileSync(rowsPath, `${JSON.stringify(good)}\n${JSON.stringify(bad)}\n`);
    await assert.rejects(
      scoreTable({ modelPath: model('late'), rowsPath, score: 'probabilities' }),
      (e) => isProblem(e, 'score-rows-invalid') && e.message.startsWith(`Row 1, column "${column}"`),
    );
  }
});

test('A scoring process that ends without an answer is a problem, not a wait', async (t) => {
  await assert.rejects(scoreTable({ modelPath: model('late'), rowsPath: join(folder(t), 'absent.ndjson'), score: 'probabilities' }), (e) =>
    isProblem(e, 'scoring-failed'),
  );
});

test('Scoring that is cancelled ends its process', async (t) => {
  const abort = new AbortController();
  const rowsPath = join(folder(t), 'rows.ndjson');
  writeFileSync(rowsPath, `${JSON.stringify({ carrier: 'UA', hour: 1, temp: 1, wind_speed: 1 })}\n`.repeat(50_000));
  const scoring = scoreTable({ modelPath: model('late'), rowsPath, score: 'probabilities', signal: abort.signal });
  abort.abort(new Error('no longer wanted'));
  await assert.rejects(scoring, /no longer wanted/);
});

test('Replacing ZipMaps leaves other models alone and survives any damage', () => {
  const plain = readFileSync(model('late'));
  assert.equal(replaceZipMaps(plain), plain);
  const zipped = readFileSync(model('zipmap'));
  fc.assert(
    fc.property(fc.nat(zipped.length - 1), fc.nat(255), (at, byte) => {
      const damaged = Buffer.from(zipped);
      damaged[at] = byte;
      try {
        replaceZipMaps(damaged);
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    }),
    { numRuns: 300 },
  );
});
