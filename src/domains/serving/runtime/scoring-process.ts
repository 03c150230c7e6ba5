// Entry of the scoring process (see score-table.ts): one task, one answer, then it ends.
import { createReadStream, writeFileSync } from 'node:fs';
import { isProblem } from '../../../kernel/errors.ts';
import { silentLog } from '../../../kernel/log.ts';
import { fail } from '../errors.ts';
import { openModel, requireScore, scoreAt, type ModelInput, type ModelSession } from './onnx-runtime.ts';
import { openColumns, runtimeOf } from './open-model.ts';
import { scoreRows } from './scored-rows.ts';
import type { ScoringResult, ScoringTask } from './score-table.ts';

const BATCH = 1024;

// Whoever asked is gone, and nobody wants the rest.
process.once('disconnect', () => process.exit(1));
process.once('message', (task) => {
  perform(task as ScoringTask)
    .catch((error: unknown): ScoringResult => {
      if (!isProblem(error)) throw error;
      return { problem: { code: error.code, params: error.params } };
    })
    .then((result) => process.send!(result, () => process.exit(0)))
    .catch((error: unknown) => {
      process.stderr.write(String(error), () => process.exit(1));
    });
});

async function perform(task: ScoringTask): Promise<ScoringResult> {
  const session =
    runtimeOf(task.modelPath) === 'python'
      ? await openColumns(task.modelPath, [], { log: silentLog, interpreter: task.interpreter })
      : await openModel(task.modelPath);
  if (task.score !== null) requireScore(session.signature, task.score);
  if (task.do === 'inspect') return { signature: session.signature };
  if (task.do === 'score-rows') return { scored: await scoreRows(session, task, parsedLines(task.rowsPath)) };
  const scores = await scoreFile(session, task.rowsPath, task.score);
  if (task.outPath !== null)
    writeFileSync(
      task.outPath,
      Array.from(scores, (score, row) => `{"row":${row},"score":${Number.isFinite(score) ? score : null}}\n`).join(''),
    );
  return { scores };
}

async function scoreFile(session: ModelSession, path: string, score: string): Promise<Float64Array> {
  let scores = new Float64Array(65_536);
  let count = 0;
  let columns: unknown[][] = session.inputs.map(() => []);
  const flush = async (): Promise<void> => {
    const rows = columns[0]?.length ?? 0;
    if (rows === 0) return;
    while (count + rows > scores.length) {
      const larger = new Float64Array(scores.length * 2);
      larger.set(scores);
      scores = larger;
    }
    const step = session.batches ? rows : 1;
    for (let from = 0; from < rows; from += step) {
      const output = (await session.run(step, (i) => (step === rows ? columns[i]! : [columns[i]![from]]) as number[], [score])).get(score)!;
      for (let row = 0; row < step; row++) scores[count++] = scoreAt(output, row);
    }
    columns = session.inputs.map(() => []);
  };
  let row = 0;
  for await (const line of lines(path)) {
    const record = parseLine(line, row);
    session.inputs.forEach((input, i) => columns[i]!.push(valueFor(input, record[input.name], row)));
    row++;
    if (columns[0]?.length === BATCH) await flush();
  }
  await flush();
  return scores.slice(0, count);
}

async function* lines(path: string): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
    const parts = (rest + (chunk as string)).split('\n');
    rest = parts.pop()!;
    for (const part of parts) if (part !== '') yield part;
  }
  if (rest.trim() !== '') yield rest;
}

async function* parsedLines(path: string): AsyncGenerator<Record<string, unknown>> {
  let row = 0;
  for await (const line of lines(path)) yield parseLine(line, ++row);
}

function parseLine(line: string, row: number): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    try {
      // DuckDB writes NaN and infinity bare.
      return JSON.parse(
        line.replaceAll(/"(?:[^"\\]|\\.)*"|-?\b(?:nan|inf|infinity)\b/gi, (token) => (token.startsWith('"') ? token : 'null')),
      ) as Record<string, unknown>;
    } catch {
      return fail('score-rows-invalid', { row, column: '', why: 'the line is not a JSON object' });
    }
  }
}

function valueFor({ name, type }: ModelInput, value: unknown, row: number): number | string | boolean | null {
  if (type === 'string')
    return value === null || value === undefined ? '' : typeof value === 'string' ? value : wrong(row, name, 'is not a string');
  if (value === null || value === undefined)
    return type.startsWith('float') ? NaN : wrong(row, name, 'is missing, and a whole number has no way to say so');
  if (type === 'bool') return typeof value === 'boolean' ? value : wrong(row, name, 'is not true or false');
  if (typeof value !== 'number' && typeof value !== 'boolean') return wrong(row, name, 'is not a number');
  return type.startsWith('int') && !Number.isSafeInteger(Number(value)) ? wrong(row, name, 'is not a whole number') : value;
}

const wrong = (row: number, column: string, why: string): never => fail('score-rows-invalid', { row, column, why });
