// An artifact on its way to a client: never something that a browser would run on this server's address.
import { defineErrors, isProblem } from '../../../../kernel/errors.ts';
import type { Part, PathZone } from '../../../../kernel/blobs/path-zone.ts';
import { Reply } from '../../../../kernel/http/route.ts';
import { invalid } from '../../wire.ts';
import { mimeTypeOf } from './mime-types.ts';
import { attachment } from './names.ts';

const { fail } = defineErrors({
  'artifact-not-found': { status: 404, title: 'No such artifact', detail: (p: { path: string }) => `No such artifact: '${p.path}'` },
});

/** One range of bytes (RFC 9110, 14.1.2); undefined = all, for ranges that are none or are several. Empty = outside. */
function chosenPart(range: string | undefined, sizeBytes: number): Part | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(range?.replaceAll(' ', '') ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  if (first === '') return { start: Math.max(0, sizeBytes - Number(last)), end: sizeBytes };
  const part = { start: Number(first), end: last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1) };
  if (last !== '' && Number(last) < Number(first)) return undefined;
  return part.start >= sizeBytes ? { start: sizeBytes, end: sizeBytes } : part;
}

const SAFE = {
  'x-content-type-options': 'nosniff',
  // What is opened in spite of all runs nothing, loads nothing, and is of no origin.
  'content-security-policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
  'cross-origin-resource-policy': 'same-origin',
};

interface Place {
  readonly zone: Pick<PathZone, 'openPart' | 'entries'>;
  readonly path: string;
}
type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** `shown` is the path in messages. Raises `artifact-not-found`, `path-invalid`. */
export async function fileReply({ zone, path }: Place, headers: Headers, shown: string): Promise<Reply> {
  const name = path.split('/').at(-1)!;
  // Who asks for the rest of another state of the file gets all of this one.
  const range = typeof headers.range === 'string' && headers['if-range'] === undefined ? headers.range : undefined;
  let asked: Part | undefined;
  // Nothing may fail from here on, for the file is open until it was sent.
  const file = await zone
    .openPart(path, (sizeBytes) => (asked = chosenPart(range, sizeBytes)))
    .catch(async (error: unknown) => {
      if (!isProblem(error, 'path-not-found')) throw error;
      for await (const _ of zone.entries(path, { limit: 1 })) return invalid(`Artifact path refers to a directory, not a file: '${shown}'`);
      return fail('artifact-not-found', { path: shown });
    });
  const { start, end } = file.part;
  if (asked && start === end) return new Reply(416, '', { 'content-type': 'text/plain', 'content-range': `bytes */${file.sizeBytes}` });
  return new Reply(asked ? 206 : 200, file.stream, {
    ...SAFE,
    'content-type': mimeTypeOf(name),
    'content-length': String(end - start),
    'content-disposition': attachment(name),
    'accept-ranges': 'bytes',
    ...(asked ? { 'content-range': `bytes ${start}-${end - 1}/${file.sizeBytes}` } : {}),
  });
}
