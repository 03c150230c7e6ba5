// Finds the files that execute when they are loaded, by what is in them rather than by their names, and lists
// what they would call. Nothing is loaded; memory stays that of a few chunks.
import type { Readable } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { getBlob } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { ByteSource, Unreadable } from './byte-source.ts';
import { classify } from './classify.ts';
import type { Execution, Finding, Scan, ScannedFile } from './findings.ts';
import { opcodes } from './opcodes.ts';
import { walkPickle } from './pickle.ts';
import { listEntries, openEntry, type OpenRange } from './zip.ts';

/** Bytes read of one file, and of one packed file once it is unpacked. */
const MOST_BYTES = 256 * 1024 ** 3;
const MOST_UNPACKED = 1024 ** 3;
const MOST_OPERATIONS = 100_000_000;
const MOST_FINDINGS = 1000;
/** Entries of archives that are looked into, of all files of a version together. */
const MOST_ENTRIES = 20_000;

export interface Scannable {
  readonly path: string;
  readonly sizeBytes: number;
  readonly open: OpenRange;
}

/** What is left for all files of a version together. */
export interface Budget {
  operations: number;
  entries: number;
  unpacked: number;
}

export const newBudget = (): Budget => ({ operations: MOST_OPERATIONS, entries: MOST_ENTRIES, unpacked: 4 * MOST_UNPACKED });

/** Files of a version, by digest. */
export async function scanFiles(ctx: Ctx, files: readonly { path: string; digest: string; sizeBytes: number }[]): Promise<Scan> {
  const budget = newBudget();
  const found: ScannedFile[] = [];
  for (const { path, digest, sizeBytes } of files) {
    ctx.signal?.throwIfAborted();
    const entry = await getBlob(ctx.db, ctx.workspace, digest);
    const open: OpenRange = (start, end) => ctx.blobs.open(entry, { start, end });
    found.push(...(await scanFile({ path, sizeBytes, open }, budget)));
  }
  return { executesOnLoad: found.length > 0, files: found };
}

/** Names that pickles have: what begins like none is still walked then. */
const PICKLE_NAME = /\.(pkl|pickle|pck|pcl|cpkl|joblib|jbl|dill|pt|pth)$/i;
const CODE_NAME = /^(?!.*__torch__).*\.(py|pyc|pyd|so|dll|dylib)$/is;

export async function scanFile(file: Scannable, budget: Budget = newBudget()): Promise<ScannedFile[]> {
  const { path, sizeBytes, open } = file;
  if (CODE_NAME.test(path)) return [result(path, 'python', [{ callable: path, verdict: 'unknown' }], null)];
  if (sizeBytes === 0) return [];
  const head = await headOf(open(0, Math.min(sizeBytes, 16)));
  const hex = head.toString('hex');
  if (hex.startsWith('504b0304') || hex.startsWith('504b0506')) return scanArchive(file, budget);
  const stream = () => open(0, sizeBytes);
  if (hex.startsWith('934e554d5059')) return npyWithin(path, stream, budget);
  if (hex.startsWith('894844460d0a1a0a')) return (await mentions(stream(), LAMBDA, MOST_BYTES)) ? [lambda(path)] : [];
  const packed = unpacker(hex, path);
  if (packed === 'unknown') return [result(path, 'pickle', [], 'it is packed in a way that is not read here')];
  if (packed) return picklesIn(path, () => unpacked(stream(), packed()), budget, true, MOST_UNPACKED);
  return picklesIn(path, stream, budget, isPickleLike(head) || PICKLE_NAME.test(path), MOST_BYTES);
}

const result = (path: string, kind: Execution, findings: readonly Finding[], unread: string | null): ScannedFile => ({
  path,
  kind,
  findings,
  unread,
});
const lambda = (path: string): ScannedFile =>
  result(path, 'keras-lambda', [{ callable: 'keras.layers.Lambda', verdict: 'dangerous' }], null);
const LAMBDA = /"class_name"\s*:\s*"Lambda"/;

async function headOf(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

const isPickleLike = (head: Buffer): boolean => head[0] === 0x80 && head[1]! >= 1 && head[1]! <= 5;

// joblib packs pickles by these; others are told by their first bytes and by their names.
function unpacker(hex: string, path: string): (() => ReturnType<typeof createGunzip>) | 'unknown' | undefined {
  if (!PICKLE_NAME.test(path) && !/\.(gz|z|bz2|xz|lzma|lz4)$/i.test(path)) return undefined;
  if (hex.startsWith('1f8b')) return createGunzip;
  if (/^78(01|5e|9c|da)/.test(hex)) return createInflate;
  return /^(425a68|fd377a58|5d0000|04224d18)/.test(hex) ? 'unknown' : undefined;
}

function unpacked(from: Readable, by: ReturnType<typeof createGunzip>): Readable {
  from.on('error', (error) => by.destroy(error));
  by.on('close', () => from.destroy());
  return from.pipe(by);
}

/** An array of objects in numpy's format is a pickle behind its header. */
async function npyWithin(path: string, open: () => Readable, budget: Budget): Promise<ScannedFile[]> {
  const source = new ByteSource(open(), MOST_BYTES);
  try {
    if (!(await source.fill(12))) return [];
    const bytes = source.take(8);
    const length = bytes[6] === 1 ? source.take(2).readUInt16LE() : source.take(4).readUInt32LE();
    if (length > 1024 * 1024 || !(await source.fill(length))) return [result(path, 'pickle', [], 'its header cannot be read')];
    const header = source.take(length).toString('latin1');
    // Plain arrays are loaded without running anything.
    return /[|<>=]?O\d*['"]/.test(header) ? await walkAll(path, source, budget, true, false) : [];
  } catch (error) {
    return [result(path, 'pickle', [], reasonOf(error))];
  } finally {
    await source.close();
  }
}

async function mentions(stream: Readable, pattern: RegExp, most: number): Promise<boolean> {
  let before = '';
  let left = most;
  for await (const part of stream) {
    left -= (part as Buffer).length;
    if (left < 0) throw new Unreadable('it is larger than what is read');
    const text = before + (part as Buffer).toString('latin1');
    if (pattern.test(text)) return true;
    before = text.slice(-64);
  }
  return false;
}

async function scanArchive(file: Scannable, budget: Budget): Promise<ScannedFile[]> {
  const { path, sizeBytes, open } = file;
  const unread = (at: string, why: string): ScannedFile => result(at, 'pickle', [], why);
  let entries;
  try {
    entries = await listEntries(open, sizeBytes);
  } catch (error) {
    return [unread(path, reasonOf(error))];
  }
  const found: ScannedFile[] = [];
  for (const entry of entries) {
    if (entry.name.endsWith('/')) continue;
    const at = `${path}!${entry.name}`;
    if (--budget.entries < 0) return [...found, unread(path, `it has more entries than are looked into`)];
    try {
      found.push(...(await scanEntry(at, () => openEntry(open, sizeBytes, entry), entry, budget)));
    } catch (error) {
      const why = reasonOf(error);
      if (PICKLE_NAME.test(entry.name)) found.push(unread(at, why));
    }
  }
  return found;
}

// An entry is a stream; what lies within it as a further archive is not opened, and said to be so.
async function scanEntry(
  at: string,
  open: () => Promise<Readable>,
  entry: { name: string; method: number },
  budget: Budget,
): Promise<ScannedFile[]> {
  if (CODE_NAME.test(entry.name)) return [result(at, 'python', [{ callable: at, verdict: 'unknown' }], null)];
  const first = new ByteSource(await open(), MOST_UNPACKED);
  let head: Buffer;
  try {
    if (!(await first.fill(1))) return [];
    await first.fill(8);
    head = first.take(Math.min(8, first.ready));
  } finally {
    await first.close();
  }
  const hex = head.toString('hex');
  if (hex.startsWith('504b0304')) return [result(at, 'pickle', [], 'it is an archive within an archive')];
  if (hex.startsWith('934e554d5059')) {
    const stream = await open();
    return npyWithin(at, () => stream, budget);
  }
  if (entry.name === 'config.json' && (await mentions(await open(), LAMBDA, MOST_UNPACKED))) return [lambda(at)];
  if (hex.startsWith('89484446') && (await mentions(await open(), LAMBDA, MOST_UNPACKED))) return [lambda(at)];
  if (!isPickleLike(head) && !PICKLE_NAME.test(entry.name)) return [];
  const streams = [await open(), await open()];
  try {
    return await picklesIn(at, () => streams.shift()!, budget, true, MOST_UNPACKED);
  } finally {
    for (const stream of streams) stream.destroy();
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Unreadable) return error.message;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && code.startsWith('Z_')) return 'its bytes cannot be unpacked';
  throw error;
}

/** Once as joblib reads it, and once as Python does if that makes a difference. */
async function picklesIn(path: string, open: () => Readable, budget: Budget, isNamed: boolean, most: number): Promise<ScannedFile[]> {
  const read = async (joblib: boolean) => {
    const source = new ByteSource(open(), most === MOST_BYTES ? most : Math.min(most, Math.max(0, budget.unpacked)));
    try {
      return await walkAll(path, source, budget, isNamed, joblib);
    } catch (error) {
      return [result(path, 'pickle', [], reasonOf(error))];
    } finally {
      if (most !== MOST_BYTES) budget.unpacked -= source.position;
      await source.close();
    }
  };
  const found = await read(true);
  if (!found.some((f) => f.findings.some((x) => x.callable.endsWith('joblib.numpy_pickle.NumpyArrayWrapper')))) return found;
  // Behind an array as joblib has it, Python itself goes on at once; noise there names nothing dangerous by chance.
  const plain = (await read(false)).flatMap((f) => f.findings.filter((x) => x.verdict === 'dangerous'));
  return found.map((f) => ({ ...f, findings: merged([...f.findings, ...plain]) }));
}

const merged = (findings: readonly Finding[]): Finding[] => [...new Map(findings.map((f) => [f.callable, f])).values()];

// Files of torch before its archives, and of others, hold several pickles, one behind the other.
async function walkAll(path: string, source: ByteSource, budget: Budget, isNamed: boolean, joblib: boolean): Promise<ScannedFile[]> {
  const findings = new Map<string, Finding>();
  let unread: string | null = null;
  let pickles = 0;
  let current: Finding[] = [];
  const onImport = (module: string | undefined, name: string | undefined): void => {
    const isTold = module !== undefined && name !== undefined;
    const callable = isTold ? `${module}.${name}`.slice(0, 300) : '(a name that cannot be told)';
    if (current.length < MOST_FINDINGS || !isTold) current.push({ callable, verdict: isTold ? classify(module, name) : 'unknown' });
    else if (classify(module, name) !== 'safe') throw new Unreadable(`it imports more than ${MOST_FINDINGS} things`);
    if (current.length > MOST_FINDINGS) current = merged(current);
  };
  const keep = (some: readonly Finding[]): void => {
    for (const f of some) if (findings.size < MOST_FINDINGS || f.verdict === 'dangerous') findings.set(f.callable, f);
  };
  try {
    while (await source.fill(1)) {
      // What follows a pickle is data unless it is one, too.
      if (pickles > 0 && opcodes[source.peek()!] === undefined) break;
      current = [];
      await walkPickle(source, { onImport, joblib, budget });
      keep(current);
      pickles++;
    }
  } catch (error) {
    const why = reasonOf(error);
    // Text and other data that only begins, or goes on, like a pickle names nothing dangerous by chance.
    const isNoise = pickles > 0 || !isNamed;
    keep(isNoise ? current.filter((f) => f.verdict === 'dangerous') : current);
    if (pickles === 0) unread = why;
  }
  if (!isNamed && findings.size === 0) return [];
  return [result(path, 'pickle', [...findings.values()], unread)];
}
