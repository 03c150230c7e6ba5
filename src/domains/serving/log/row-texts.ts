// Rows of a file of JSON, as texts: one object a line, or a list.
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { fail } from '../errors.ts';

export type BatchFormat = 'ndjson' | 'json' | 'parquet';

export interface RowText {
  /** The line, counted from 1, or the place in the list, counted from 0. */
  readonly n: number;
  readonly text: string;
}

const MAX_LINE_BYTES = 4 * 1024 * 1024;

/** The rows of a batch of JSON as texts, in their order; empty lines are left out. Raises `batch-unreadable`. */
export async function* rowTexts({ path, format }: { readonly path: string; readonly format: BatchFormat }): AsyncGenerator<RowText> {
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
