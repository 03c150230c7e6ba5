// JSON bodies from outside: bounded in size and depth, well-formed UTF-8, without keys that reach a prototype.
import { isAscii } from 'node:buffer';
import type { FastifyRequest } from 'fastify';
import secureJson from 'secure-json-parse';
import { fail } from '../errors.ts';

const JSON_TYPES = /^(application\/json|application\/[\w.+-]+\+json)\s*(;|$)/i;
// Deeper values would overflow the stack of whoever walks them.
const MAX_DEPTH = 100;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The body as JSON; undefined if there is none. Raises `payload-too-large`, `unsupported-media-type`, `invalid-input`. */
export async function readJson(request: FastifyRequest, payload: NodeJS.ReadableStream, limitBytes: number): Promise<unknown> {
  const bytes = await collect(payload, Number(request.headers['content-length'] ?? 0), limitBytes);
  if (bytes.length === 0) return undefined;
  const type = request.headers['content-type'] ?? '';
  if (!JSON_TYPES.test(type)) fail('unsupported-media-type', { contentType: type });
  let text: string;
  try {
    text = isAscii(bytes) ? bytes.toString('latin1') : utf8.decode(bytes);
  } catch {
    return refuse('is not UTF-8');
  }
  if (isDeep(bytes)) refuse(`is nested more than ${MAX_DEPTH} levels deep`);
  try {
    return isPlain(bytes) ? JSON.parse(text) : secureJson.parse(text);
  } catch (error) {
    return refuse(`is not JSON: ${(error as Error).message}`);
  }
}

const refuse = (detail: string): never => fail('invalid-input', { what: 'The body' }, [{ pointer: '/', detail }]);

// Listeners instead of an iterator: leaving an iterator early destroys the socket, and with it the reply.
function collect(payload: NodeJS.ReadableStream, announced: number, limitBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const tooLarge = (): void => {
      try {
        fail('payload-too-large', { limitBytes });
      } catch (error) {
        reject(error as Error);
      }
    };
    if (announced > limitBytes) return tooLarge();
    payload.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limitBytes) chunks.push(chunk);
      else {
        // What still comes is read and forgotten, so that the client gets to read the reply.
        chunks.length = 0;
        tooLarge();
      }
    });
    payload.once('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    payload.once('error', reject);
  });
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** No name in it can reach a prototype, not even one that is written with escapes. */
const isPlain = (bytes: Buffer): boolean => !bytes.includes(BACKSLASH) && !bytes.includes('__proto__') && !bytes.includes('constructor');

/** Whether brackets outside of texts are nested deeper than anything may be. */
function isDeep(bytes: Uint8Array): boolean {
  // Each level takes a bracket that opens and one that closes; what lacks them is not JSON.
  if (bytes.length <= 2 * MAX_DEPTH) return false;
  let depth = 0;
  let inText = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (inText) {
      if (byte === QUOTE) inText = false;
      else if (byte === BACKSLASH) i += 1;
    } else if (byte < 0x5b) {
      // Numbers, commas, colons and spaces.
      if (byte === QUOTE) inText = true;
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > MAX_DEPTH) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
  }
  return false;
}
