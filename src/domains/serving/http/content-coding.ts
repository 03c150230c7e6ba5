// gzip and deflate, both ways and for every protocol. What comes in may not become larger than a body may be.
import { promisify } from 'node:util';
import { deflate, gunzip, gzip, inflate, inflateRaw } from 'node:zlib';
import { fail as failAnywhere } from '../../../kernel/errors.ts';
import { refuseBody } from './protocol.ts';

const unzip = { gzip: promisify(gunzip), zlib: promisify(inflate), raw: promisify(inflateRaw) };
const pack = { gzip: promisify(gzip), deflate: promisify(deflate) };
type Coding = keyof typeof pack;

/** Below this size nobody gains, unless the caller asks for nothing else. */
const WORTH_BYTES = 1024;

/** Raises `unsupported-media-type`, `payload-too-large` and `prediction-body-invalid`. */
export async function decodeBody(body: Buffer, encoding: string, limitBytes: number): Promise<Buffer> {
  const coding = encoding.trim().toLowerCase();
  if (coding !== 'gzip' && coding !== 'x-gzip' && coding !== 'deflate')
    return failAnywhere('unsupported-media-type', { contentType: `${encoding.slice(0, 100)} (content-encoding)` });
  // "deflate" means zlib's format, and some send the bare stream.
  const isZlib = body.length > 1 && (body[0]! & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0;
  try {
    return await unzip[coding === 'deflate' ? (isZlib ? 'zlib' : 'raw') : 'gzip'](body, { maxOutputLength: Math.max(1, limitBytes) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return failAnywhere('payload-too-large', { limitBytes });
    return refuseBody(`it is not ${coding}.`);
  }
}

/** The coding in which an answer of this size goes out. Without a quality the first that is named wins. */
export function codingFor(accepted: string | string[] | undefined, bytes: number): Coding | undefined {
  if (typeof accepted !== 'string' || bytes === 0) return undefined;
  let best: Coding | undefined;
  let bestQuality = 0;
  const parts = accepted.toLowerCase().split(',', 16);
  for (const part of parts) {
    const [name = '', ...parameters] = part.split(';').map((p) => p.trim());
    const quality = Number(parameters.find((p) => p.startsWith('q='))?.slice(2) ?? 1);
    if ((name === 'gzip' || name === 'deflate') && quality > bestQuality) [best, bestQuality] = [name, quality];
  }
  return bytes >= WORTH_BYTES || parts.length === 1 ? best : undefined;
}

/** Level 1: an answer is sent once. */
export const encodeBody = (body: string | Buffer, coding: Coding): Promise<Buffer> => pack[coding](body, { level: 1 });
