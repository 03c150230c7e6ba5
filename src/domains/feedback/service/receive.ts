// A batch on its way in: the body as a file, bounded in size and memory.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail as failAny } from '../../../kernel/errors.ts';
import type { BatchFormat } from '../../serving/public.ts';
import { fail } from '../errors.ts';

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
  return { path, format, digest: hash.digest('hex') };
}
