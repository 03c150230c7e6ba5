// The JSON of a request, parsed once. A scan of its bytes says beforehand what the parser has to look out for: whole
// numbers of more than fifteen digits, which become BigInt, and bare NaN and Infinity, which Python writes.
import { isUtf8 } from 'node:buffer';
import { refuseBody } from './protocol.ts';

const MAX_DEPTH = 100;
/** Lists and objects take many times their bytes once they are parsed; so many are a matrix of as many rows. */
const MAX_NODES = 2 ** 21;
const MAX_TEXTS = 2 ** 22;
/** A bare NaN or Infinity is read as one of these texts; only floating-point tensors take them. */
export const bare: Readonly<Record<string, number>> = { '\0NaN': NaN, '\0Infinity': Infinity, '\0-Infinity': -Infinity };

const BARE = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;

/** Raises `prediction-body-invalid`; the sentence never shows the text itself. */
export function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return refuseBody('it is empty; send a JSON object.');
  if (!isUtf8(bytes)) return refuseBody('it is not UTF-8.');
  const found = scan(bytes);
  if (found.depth > MAX_DEPTH) return refuseBody(`JSON nesting depth exceeds maximum allowed limit (${MAX_DEPTH}).`);
  if (found.nodes > MAX_NODES) return refuseBody(`it has more than ${MAX_NODES} lists and objects; use the binary data format.`);
  if (found.texts > MAX_TEXTS) return refuseBody(`it has more than ${MAX_TEXTS} texts; use the binary data format.`);
  let text = bytes.toString('utf8');
  if (found.bare) text = text.replaceAll(BARE, (token) => (token.startsWith('"') ? token : JSON.stringify(`\0${token}`)));
  try {
    return found.long ? JSON.parse(text, exact as (key: string, value: unknown) => unknown) : JSON.parse(text);
  } catch (error) {
    // The words of Triton, which its clients' tests match.
    const position = found.bare
      ? undefined
      : (/position (\d+)/.exec((error as Error).message)?.[1] ?? (/^\s*[[{"\d\-tfn]/.test(text) ? undefined : '0'));
    return refuseBody(
      `it is not JSON: failed to parse the request JSON buffer${position === undefined ? '' : `: Invalid value. at ${position}`}.`,
    );
  }
}

// 20 digits hold every 64-bit number; what is longer is out of range in any case.
const exact = (_key: string, value: unknown, { source }: { source?: string }): unknown =>
  typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && source.length <= 21 && /^-?\d+$/.test(source)
    ? BigInt(source)
    : value;

interface Found {
  readonly depth: number;
  readonly long: boolean;
  readonly bare: boolean;
  readonly nodes: number;
  readonly texts: number;
}

function scan(bytes: Buffer): Found {
  let depth = 0;
  let nodes = 0;
  let texts = 0;
  let deepest = 0;
  let digits = 0;
  let long = false;
  let hasBare = false;
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes[i]!;
    if (c >= 48 && c <= 57) {
      if (++digits === 16) long = true;
      continue;
    }
    // Digits after a point are no whole number.
    digits = c === 46 ? -Infinity : 0;
    if (c === 34) {
      texts++;
      for (i++; i < bytes.length && bytes[i] !== 34; i++) if (bytes[i] === 92) i++;
    } else if (c === 91 || c === 123) {
      nodes++;
      if (++depth > deepest) deepest = depth;
    } else if (c === 93 || c === 125) depth--;
    else if (c === 78 || c === 73) hasBare = true;
  }
  return { depth: deepest, long, bare: hasBare, nodes, texts };
}
