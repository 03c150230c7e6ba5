// A batch on its way in: the body as a file, bounded in size and memory, and the texts of its rows.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail as failAny } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';

export type BatchFormat = 'ndjson' | 'json' | 'parquet';

export interface ReceivedBatch {
  readonly path: string;
  readonly format: BatchFormat;
  /** SHA-256 of the bytes. */
  readonly digest: string;
}

const FORMATS: readonly (readonly [RegExp, BatchFormat])[] = [
  [/^application\/(x-ndjson|ndjson|x-jsonlines|jsonl|jsonlines)$/, 'ndjson'],
  [/^application\/json$/, 'json'],
  [/^application\/(vnd\.apache\.parquet|x-parquet|parquet)$/, 'parquet'],
];

/** Raises `batch-type-unsupported`. */
export function formatOf(contentType: unknown): BatchFormat {
  const type = String(contentType ?? '')
    .split(';')[0]!
    .trim()
    .toLowerCase();
  return FORMATS.find(([pattern]) => pattern.test(type))?.[1] ?? fail('batch-type-unsupported', { contentType: type });
}

/** Writes the body into `folder`. Raises `payload-too-large`, `batch-type-unsupported`. */
export async function receiveBatch(ctx: Ctx, body: Readable, contentType: unknown, folder: string): Promise<ReceivedBatch> {
  const format = formatOf(contentType);
  // A list of JSON is parsed as a whole.
  const limitBytes = format === 'json' ? ctx.settings.bodyLimitBytes : ctx.settings.batchLimitBytes;
  const path = join(folder, `body.${format}`);
  const file = createWriteStream(path, { mode: 0o600 });
  const hash = createHash('sha256');
  let size = 0;
  // Listeners instead of a pipeline: that would destroy the socket, and with it the reply to a body that is too large.
  await new Promise<void>((resolve, reject) => {
    body.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limitBytes) return;
      hash.update(chunk);
      if (file.write(chunk)) return;
      body.pause();
      file.once('drain', () => body.resume());
    });
    body.once('end', resolve);
    body.once('error', reject);
    file.once('error', reject);
  });
  file.end();
  await finished(file);
  if (size > limitBytes) failAny('payload-too-large', { limitBytes });
  if (size === 0) fail('batch-unreadable', { why: 'the body is empty' });
  return { path, format, digest: hash.digest('hex') };
}

export interface RowText {
  /** The line, counted from 1, or the place in the list, counted from 0. */
  readonly n: number;
  readonly text: string;
}

const MAX_LINE_BYTES = 4 * 1024 * 1024;

/** The rows of a batch of JSON as texts, in their order; empty lines are left out. Raises `batch-unreadable`. */
export async function* rowTexts({ path, format }: Pick<ReceivedBatch, 'path' | 'format'>): AsyncGenerator<RowText> {
  if (format === 'json') {
    for (const [n, value] of (await listIn(path)).entries()) yield { n, text: JSON.stringify(value) };
    return;
  }
  let line = 0;
  for await (const bytes of linesOf(path)) {
    line += 1;
    if (bytes.length > MAX_LINE_BYTES) fail('batch-unreadable', { why: `line ${line} is longer than ${MAX_LINE_BYTES} bytes` });
    const text = decode(bytes, `line ${line}`).trim();
    if (text !== '') yield { n: line, text };
  }
}

async function listIn(path: string): Promise<readonly unknown[]> {
  const file = await open(path);
  try {
    const bytes = Buffer.alloc((await stat(path)).size);
    await file.read(bytes, 0, bytes.length, 0);
    const value = JSON.parse(decode(bytes, 'the body')) as unknown;
    return Array.isArray(value) ? value : [value];
  } catch (error) {
    if (error instanceof SyntaxError) return fail('batch-unreadable', { why: `it is not JSON: ${error.message}` });
    throw error;
  } finally {
    await file.close();
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
function decode(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return fail('batch-unreadable', { why: `${what} is not UTF-8` });
  }
}

async function* linesOf(path: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      const end = chunk.subarray(from, at);
      yield rest.length === 0 ? end : Buffer.concat([...rest, end]);
      rest = [];
      from = at + 1;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
    if (rest.reduce((sum, b) => sum + b.length, 0) > 2 * MAX_LINE_BYTES) fail('batch-unreadable', { why: 'a line has no end' });
  }
  if (rest.length > 0) yield Buffer.concat(rest);
}

/** How a fault names a row: `line 3: label`, `row 3: label`, or a JSON pointer. */
export const placeIn = (format: BatchFormat) => {
  return (n: number, member: string): string =>
    format === 'json'
      ? `/${n}${member === '' ? '' : `/${member}`}`
      : `${format === 'ndjson' ? 'line' : 'row'} ${n}${member === '' ? '' : `: ${member}`}`;
};
