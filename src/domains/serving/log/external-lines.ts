// A batch of records of a model served elsewhere as lines of the log, in a thread of its own: a million records would
// hold up the control process.
import { closeSync, openSync, writeSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { isProblem, type Fault } from '../../../kernel/errors.ts';
import type { LoggedColumn } from '../model.ts';
import { collectColumns, parseExternal, parseLenient } from './external-record.ts';
import { placeIn, rowTexts, type BatchFormat } from './row-texts.ts';

export interface ExternalSource {
  readonly path: string;
  readonly format: Exclude<BatchFormat, 'parquet'>;
  /** Where the lines go. */
  readonly to: string;
  readonly workspace: string;
  readonly project: string;
  readonly endpoint: string;
  readonly recordedMs: number;
}

export interface ExternalLines {
  readonly rows: number;
  /** The first faults, and how many there are in all. */
  readonly faults: readonly Fault[];
  readonly faultCount: number;
  /** The file is no text, or no JSON. */
  readonly unreadable: string | null;
  readonly inputs: readonly LoggedColumn[];
  readonly request: readonly LoggedColumn[];
  readonly fromUs: number;
  readonly toUs: number;
}

export const MAX_FAULTS = 20;

export async function writeExternalLines(source: ExternalSource): Promise<ExternalLines> {
  const { workspace, project, endpoint, recordedMs } = source;
  const place = placeIn(source.format);
  const [inputs, request] = [collectColumns(), collectColumns()];
  const faults: Fault[] = [];
  const found = { rows: 0, faultCount: 0, unreadable: null as string | null, fromUs: Infinity, toUs: -Infinity };
  const fd = openSync(source.to, 'wx', 0o600);
  let lines: string[] = [];
  const flush = (): void => {
    if (lines.length > 0) writeSync(fd, lines.join(''));
    lines = [];
  };
  const blame = (n: number, all: readonly Fault[]): void => {
    found.faultCount += all.length;
    for (const f of all) if (faults.length < MAX_FAULTS) faults.push({ pointer: place(n, f.pointer), detail: f.detail });
  };
  try {
    for await (const { n, text } of rowTexts(source)) {
      found.rows += 1;
      const parsed = parse(text);
      if ('faults' in parsed) {
        blame(n, parsed.faults);
        continue;
      }
      const { record: r } = parsed;
      inputs.add(r.inputs);
      request.add(r.request);
      found.fromUs = Math.min(found.fromUs, r.atUs);
      found.toUs = Math.max(found.toUs, r.atUs);
      if (found.faultCount > 0) continue;
      const { atUs: eventTimeUs, ...rest } = r;
      const fixed = { n, workspace, project, endpoint, revision: 0, model: '', modelDigest: '', recordedMs, features: [] };
      lines.push(`${JSON.stringify({ ...fixed, eventTimeUs, ...rest })}\n`);
      if (lines.length >= 500) flush();
    }
    flush();
  } catch (error) {
    if (!isProblem(error, 'batch-unreadable')) throw error;
    found.unreadable = String(error.params.why);
  } finally {
    closeSync(fd);
  }
  for (const [struct, columns] of Object.entries({ inputs, request }))
    for (const name of columns.clashing()) {
      found.faultCount += 1;
      faults.push({ pointer: `${struct}/${name}`, detail: 'differs from another column in upper and lower case alone' });
    }
  return { ...found, faults, inputs: inputs.columns(), request: request.columns() };
}

function parse(text: string): ReturnType<typeof parseExternal> {
  try {
    return parseExternal(parseLenient(text));
  } catch (error) {
    return { faults: [{ pointer: '', detail: `is not JSON: ${(error as Error).message}` }] };
  }
}

/** `writeExternalLines` in a thread of its own. */
export const writeExternalLinesAside = (source: ExternalSource): Promise<ExternalLines> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(join(import.meta.dirname, `external-thread${extname(import.meta.filename)}`), {
      workerData: source,
      execArgv: ['--no-warnings'],
    });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the thread that reads a batch of records ended early (${code})`)));
  });
