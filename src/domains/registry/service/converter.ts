// What a conversion needs from outside: packages, rows, a process of the model's own environment, and the comparison.
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { getBlob } from '../../../kernel/blobs/blob-index.ts';
import { sqlName, sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { getVersion as getDatasetVersion, stageVersion } from '../../datasets/public.ts';
import { getEnvironment } from '../../environments/public.ts';
import { scoreRows, type ColumnType, type ScoredColumn } from '../../serving/public.ts';
import { isSameScore, type Conversion, type ModelVersion, type Sameness } from '../model.ts';
import { getEvaluation } from './evaluate.ts';

/** The converters choose these for themselves; the model answers without them. */
const CONVERTERS_OWN = /^(protobuf|onnx|skl2onnx|onnxmltools|onnxconverter-common|ml-dtypes)\b/i;
// skl2onnx writes numbers of NumPy into fields, which protobuf 7 refuses; onnxmltools imports packaging and does not say so.
const CONVERTERS = ['skl2onnx', 'onnxmltools', 'onnx', 'protobuf<7', 'packaging', 'pandas', 'cloudpickle'];

export interface Needs {
  readonly requirements: readonly string[];
  /** "3.11"; null = whichever is there. */
  readonly python: string | null;
}

/** The model's packages with the converters beside them; undefined if nothing says which the model needs. */
export async function packagesFor(ctx: Ctx, version: ModelVersion, folder: string): Promise<Needs | undefined> {
  const own = version.evidence.environment;
  const minor = (text: string): string | null => /(3\.\d+)/.exec(text)?.[1] ?? null;
  const withConverters = (lines: readonly string[]): readonly string[] => [
    ...lines.filter((line) => !CONVERTERS_OWN.test(line)),
    ...CONVERTERS.filter(
      (c) => /^(skl2onnx|onnxmltools|onnx|protobuf)/.test(c) || !lines.some((line) => new RegExp(`^${c}\\b`).test(line)),
    ),
  ];
  if (own) {
    const { packages, python } = await getEnvironment(ctx, own.digest);
    return {
      requirements: withConverters(packages.map((p) => `${p.name}==${p.version}${p.marker ? ` ; ${p.marker}` : ''}`)),
      python: minor(python),
    };
  }
  const text = await readFile(join(folder, 'requirements.txt'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const lines = text.split(/\r?\n/).map((line) => line.replace(/(^|\s)#.*$/, '').trim());
  const python = await readFile(join(folder, 'python_env.yaml'), 'utf8').catch(() => '');
  // Options and paths are not a package's name; what a registry of the machine gives is asked there.
  return {
    requirements: withConverters(lines.filter((line) => /^[a-z0-9][\w.-]*\s*([[=<>!~;]|$)/i.test(line))),
    python: minor(/^python:.*$/m.exec(python)?.[0] ?? ''),
  };
}

export interface ProofRows {
  readonly path: string;
  readonly columns: readonly ScoredColumn[];
  readonly rows: number;
}

const NOT_FEATURES = new Set(['row_key', 'at_us', 'label', 'n']);
const ofTable = (type: string): ColumnType | undefined =>
  /^(U?(TINY|SMALL|BIG)?INT(EGER)?)$/.test(type)
    ? 'integer'
    : /^(FLOAT|DOUBLE|U?HUGEINT|DECIMAL)/.test(type)
      ? 'number'
      : /^(VARCHAR|ENUM)/.test(type)
        ? 'string'
        : type === 'BOOLEAN'
          ? 'boolean'
          : undefined;
const ofSignature: Readonly<Record<string, ColumnType>> = {
  double: 'number',
  float: 'number',
  long: 'integer',
  integer: 'integer',
  string: 'string',
  boolean: 'boolean',
};

/** Named columns of MLflow's signature with their types; none if it has another kind of signature. */
function signatureColumns(version: ModelVersion): readonly { name: string; type: ColumnType }[] {
  try {
    const inputs = JSON.parse(version.manifest?.signature?.inputs ?? '[]') as { name?: string; type?: string }[];
    return inputs.flatMap(({ name, type }) => (name && type && ofSignature[type] ? [{ name, type: ofSignature[type] }] : []));
  } catch {
    return [];
  }
}

/** Writes the rows that show that both models are the same as lines of JSON, numbered from 1. */
export async function proofRows(ctx: Ctx, conversion: Conversion, version: ModelVersion, path: string): Promise<ProofRows> {
  const files = conversion.rowsOf
    ? await stageVersion(ctx, await getDatasetVersion(ctx, conversion.rowsOf))
    : [
        await ctx.blobs.localCopy(
          await getBlob(ctx.db, ctx.workspace, (await getEvaluation(ctx, version.evidence.evaluation!)).input.digest),
        ),
      ];
  const what = `the rows to compare version ${version.number} of ${version.model} on`;
  const t = { files };
  const { columns } = await ctx.compute.run({ what, tables: { t }, statements: [], rows: 'select * from t limit 0' }, ctx.signal);
  const signed = new Map(signatureColumns(version).map((c) => [c.name, c.type]));
  const taken = columns.flatMap(({ name, type }): ScoredColumn[] => {
    const found = ofTable(type);
    if (!found || NOT_FEATURES.has(name) || (signed.size > 0 && !signed.has(name))) return [];
    // A whole number where the model was shown floats is a float.
    return [{ name, type: found === 'integer' && signed.get(name) === 'number' ? 'number' : found, missing: null }];
  });
  const order = columns.some((c) => c.name === 'at_us') && columns.some((c) => c.name === 'row_key') ? 'order by at_us, row_key' : '';
  const list = taken.map((c) => sqlName(c.name)).join(', ');
  const { rows } = await ctx.compute.run(
    {
      what,
      tables: { t },
      writes: [path],
      statements: [{ sql: `copy (select row_number() over (${order}) as n, ${list} from t order by n) to ${sqlText(path)} (format json)` }],
      rows: 'select count(*) as n from t',
    },
    ctx.signal,
  );
  const named = signed.size > 0 ? [...signed.keys()].flatMap((name) => taken.filter((c) => c.name === name)) : taken;
  return { path, columns: named, rows: Number(rows[0]!.n) };
}

export type Converted =
  | { readonly ok: true; readonly classifier: boolean; readonly score: string; readonly onnx: string }
  | { readonly ok: false; readonly why: string };

/** Runs the converter in the model's environment; what it says on its own goes to `log`. */
export async function runConverter(ctx: Ctx, bin: string, folder: string, spec: object, log: (text: string) => void): Promise<Converted> {
  await writeFile(join(folder, 'spec.json'), JSON.stringify(spec));
  const script = join(import.meta.dirname, '..', 'convert', 'convert-model.py');
  const child = spawn(join(bin, 'python'), ['-I', script, folder], {
    cwd: folder,
    env: { PATH: bin, HOME: folder, TZ: 'UTC', PYTHONDONTWRITEBYTECODE: '1', OMP_NUM_THREADS: '2' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = (): void => void child.kill('SIGKILL');
  ctx.signal.addEventListener('abort', stop, { once: true });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-20_000)));
  const ended = await new Promise<string | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code === 0 ? null : String(signal ?? `exit code ${code}`)));
  });
  ctx.signal.removeEventListener('abort', stop);
  if (ctx.signal.aborted) throw ctx.signal.reason;
  if (said !== '') log(said);
  if (ended !== null)
    return { ok: false, why: `the converter ended early (${ended}): ${said.trim().split('\n').at(-1) ?? ''}`.slice(0, 500) };
  return JSON.parse(await readFile(join(folder, 'result.json'), 'utf8')) as Converted;
}

interface Answer {
  readonly n: number;
  readonly score: number | null;
  readonly label?: string | number | boolean;
  readonly margin?: number;
}

async function* answersIn(path: string): AsyncGenerator<Answer> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity }))
    if (line !== '') yield JSON.parse(line) as Answer;
}

/** Scores the rows with the runtime that serves, and holds each answer against the source's. */
export async function compareAnswers(
  ctx: Ctx,
  folder: string,
  rows: ProofRows,
  made: Extract<Converted, { ok: true }>,
  tolerance: number,
): Promise<Sameness & { readonly same: boolean }> {
  const path = join(folder, 'converted.ndjson');
  const outputs = made.classifier ? ['label'] : [];
  await scoreRows({
    modelPath: join(folder, 'model.onnx'),
    rowsPath: rows.path,
    outPath: path,
    score: made.score,
    outputs,
    columns: rows.columns,
    signal: ctx.signal,
  });
  const converted = answersIn(path);
  let [count, maxDifference, differingLabels, worstBy, same] = [0, 0, 0, -1, true];
  let worst: Sameness['worst'] = null;
  for await (const source of answersIn(join(folder, 'answers.ndjson'))) {
    const { value: other } = (await converted.next()) as IteratorResult<Answer, undefined>;
    if (!other || other.n !== source.n) throw new Error(`row ${source.n} has no converted answer`);
    count++;
    const by =
      source.score === null || other.score === null ? (source.score === other.score ? 0 : Infinity) : Math.abs(source.score - other.score);
    if (Number.isFinite(by)) maxDifference = Math.max(maxDifference, by);
    const isSame = isSameScore(source.score, other.score, tolerance);
    // Two classes that are as near as the tolerance may change places.
    const flips = made.classifier && String(other.label) !== source.label && (source.margin ?? 1) > tolerance;
    if (flips) differingLabels++;
    if (!isSame || flips) same = false;
    if (by + (flips ? 1 : 0) > worstBy) {
      worstBy = by + (flips ? 1 : 0);
      const told = (a: Answer): string => `${a.score}${a.label === undefined ? '' : ` (label ${String(a.label)})`}`;
      worst = { row: source.n, source: told(source), converted: told(other) };
    }
  }
  return {
    same: same && count > 0,
    rows: count,
    tolerance,
    maxDifference,
    differingLabels: made.classifier ? differingLabels : null,
    labelRows: made.classifier ? count : null,
    worst,
  };
}
