// A batch on its way in: the body as a file, bounded in size and memory.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
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

export interface SentBody {
  readonly body: Readable;
  readonly contentType: unknown;
  readonly contentEncoding?: unknown;
}

/** The body without its compression. Raises `batch-encoding-unsupported`. */
function decoded({ body, contentEncoding }: SentBody): Readable {
  const encoding = String(contentEncoding ?? 'identity')
    .trim()
    .toLowerCase();
  if (encoding === 'identity') return body;
  if (encoding !== 'gzip' && encoding !== 'x-gzip') return fail('batch-encoding-unsupported', { encoding });
  return body.pipe(createGunzip());
}

/**
 * Writes the body into `folder`. Raises `payload-too-large`, `batch-type-unsupported`, `batch-encoding-unsupported`,
 * `batch-not-gzip`.
 */
export async function receiveBatch(ctx: Ctx, sent: SentBody, folder: string): Promise<ReceivedBatch> {
  const format = formatOf(sent.contentType);
  const { body } = sent;
  const source = decoded(sent);
  // A list of JSON is parsed as a whole.
  const limitBytes = format === 'json' ? ctx.settings.bodyLimitBytes : ctx.settings.batchLimitBytes;
  const path = join(folder, `body.${format}`);
  const file = createWriteStream(path, { mode: 0o600 });
  const hash = createHash('sha256');
  let size = 0;
  let broken = false;
  // Listeners instead of a pipeline: that would destroy the socket, and with it the reply to a body that is too large.
  await new Promise<void>((resolve, reject) => {
    source.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limitBytes) {
        // Little that was compressed may become very much: it is not unpacked to its end.
        if (source !== body) leave();
        return;
      }
      hash.update(chunk);
      if (file.write(chunk)) return;
      source.pause();
      file.once('drain', () => source.resume());
    });
    const leave = (): void => {
      body.unpipe();
      source.destroy();
      if (body.readableEnded) return resolve();
      body.once('end', resolve);
      body.resume();
    };
    source.once('end', resolve);
    body.once('error', reject);
    if (source !== body)
      source.once('error', () => {
        broken = true;
        leave();
      });
    file.once('error', reject);
  });
  file.end();
  await finished(file);
  if (size > limitBytes) failAny('payload-too-large', { limitBytes });
  if (broken) fail('batch-not-gzip', {});
  return { path, format, digest: hash.digest('hex') };
}
