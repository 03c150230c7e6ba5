// Reading objects. A stream that breaks off goes on where it was, of the same object or not at all.
import { Readable } from 'node:stream';
import { bytesPassed } from '../streams/passing-bytes.ts';
import type { ObjectBody, ObjectInfo } from './object-store.ts';
import type { S3Parts } from './s3.ts';

const REOPENINGS = 5;

export function readS3({ sdk, client, bucket, call, is, faults }: S3Parts) {
  const open = (key: string, start: number, end: number | undefined, etag: string | undefined, abortSignal: AbortSignal) =>
    client.send(
      new sdk.GetObjectCommand({
        Bucket: bucket,
        Key: key,
        ...(start > 0 || end !== undefined ? { Range: `bytes=${start}-${end === undefined ? '' : end - 1}` } : {}),
        ...(etag === undefined ? {} : { IfMatch: etag }),
      }),
      { abortSignal },
    );

  const head = async (key: string): Promise<ObjectInfo | undefined> => {
    try {
      const reply = await client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }));
      const { mark } = reply.Metadata ?? {};
      const info = { key, sizeBytes: reply.ContentLength ?? 0, modifiedMs: reply.LastModified?.getTime() ?? 0, version: reply.ETag ?? '' };
      return mark === undefined ? info : { ...info, mark };
    } catch (error) {
      if (is(error, 404, 'NotFound', 'NoSuchKey')) return undefined;
      return faults.raise(error);
    }
  };

  const get = async (key: string, range?: { start: number; end: number }, version?: string): Promise<ObjectBody | undefined> => {
    if (range && range.end <= range.start) return { stream: Readable.from([]), sizeBytes: 0 };
    const abort = new AbortController();
    const start = range?.start ?? 0;
    let reply: Awaited<ReturnType<typeof open>>;
    try {
      reply = await open(key, start, range?.end, version, abort.signal);
    } catch (error) {
      if (is(error, 404, 'NoSuchKey', 'NotFound') || is(error, 412, 'PreconditionFailed')) return undefined;
      // It begins past the end.
      if (is(error, 416, 'InvalidRange')) return { stream: Readable.from([]), sizeBytes: 0 };
      return faults.raise(error);
    }
    const sizeBytes = reply.ContentLength ?? 0;
    const etag = reply.ETag;

    async function* chunks(): AsyncGenerator<Buffer> {
      let body = reply.Body as Readable;
      let done = 0;
      for (let broken = 0; ;) {
        try {
          for await (const chunk of body) {
            done += (chunk as Buffer).length;
            bytesPassed((chunk as Buffer).length);
            broken = 0;
            yield chunk as Buffer;
          }
          if (done >= sizeBytes) return;
          throw Object.assign(new Error('the connection ended early'), { code: 'ECONNRESET' });
        } catch (error) {
          if (abort.signal.aborted) throw error;
          broken += 1;
          if (broken > REOPENINGS) faults.raise(Object.assign(new Error('broken off', { cause: error }), { code: 'ECONNRESET' }));
          await faults.pause(broken);
          body = (await call(() => open(key, start + done, start + sizeBytes, etag, abort.signal))).Body as Readable;
        }
      }
    }
    const stream = Readable.from(chunks(), { objectMode: false, highWaterMark: 256 * 1024 });
    // Who lets go of the stream lets go of the connection, also while nothing comes.
    stream.once('close', () => {
      abort.abort();
      (reply.Body as Readable).destroy();
    });
    (reply.Body as Readable).on('error', () => undefined);
    return { stream, sizeBytes };
  };
  return { get, head };
}
