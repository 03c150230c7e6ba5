// Finds the rows of a subject in stored files: tables by their columns and by the keys of rows that were found,
// documents by their text.
import { createHash } from 'node:crypto';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { findBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { BlobEntry } from '../../../kernel/blobs/blob-store.ts';
import { sqlName, sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { countMatching, fileParts, stageFiles, tableColumns, type Column } from '../../datasets/public.ts';
import type { ProjectDefinition } from '../../projects/public.ts';
import { loggedValues, predictionsAbout } from '../../serving/public.ts';
import { isDistinctive, mentionsOf, subjectSql, writtenForms, type Mentions, type Subject } from '../../subjects/public.ts';
import { columnsIn } from './copies.ts';
import { filesToSearch, type StoredFile } from './held.ts';
import { writeLinks, type Links } from './links.ts';
import { clearDocument, clearText, type Matcher } from './redact.ts';
import { sieveOf } from './sieve.ts';

export interface FoundTable {
  readonly kind: 'table';
  readonly file: StoredFile;
  readonly path: string;
  readonly columns: readonly Column[];
  /** True for rows that go. */
  readonly condition: string;
  /** Cells of rows that stay in which the value is named. */
  readonly mentions: Mentions | undefined;
  readonly rows: number;
  readonly matching: number;
  readonly mentioning: number;
}
export interface FoundDocument {
  readonly kind: 'document' | 'opaque';
  readonly file: StoredFile;
}
export interface Search {
  readonly found: readonly (FoundTable | FoundDocument)[];
  readonly searched: ReadonlyMap<string, number>;
  readonly shared: ReadonlySet<string>;
}

/** Beyond this a file that is no table is read piece by piece and not rewritten. */
export const DOCUMENT_BYTES = 256 * 1024 * 1024;

/** Datasets whose rows are one to one those of another that they are made from: the same key. */
const sameRowsAs = (definition: ProjectDefinition, dataset: string): string[] => {
  const { key } = definition.datasets[dataset]!;
  const wanted = [...key].sort().join('\0');
  const visit = (name: string): string[] =>
    (definition.datasets[name]?.from ?? []).flatMap((from) => [
      ...([...(definition.datasets[from]?.key ?? [])].sort().join('\0') === wanted ? [from] : []),
      ...visit(from),
    ]);
  return key.length === 0 ? [] : [...new Set(visit(dataset))];
};

const keySql = (key: readonly string[]): string => `to_json([${key.map((k) => `${sqlName(k)}::varchar`).join(', ')}])::varchar`;

/**
 * What is known of files, which never change: what kind they are and, while it is the same rows that are looked for,
 * that they hold none.
 */
export interface Known {
  readonly parquet: Map<string, boolean>;
  readonly columns: Map<string, readonly Column[] | undefined>;
  readonly clean: Set<string>;
}
export const nothingKnown = (): Known => ({ parquet: new Map(), columns: new Map(), clean: new Set() });

type Report = (progress: { what: string; done?: number; total?: number; unit?: string }) => void;

export async function findSubject(
  ctx: Ctx,
  definition: ProjectDefinition,
  subject: Subject,
  links: Links,
  known: Known = nothingKnown(),
  report: Report = () => undefined,
): Promise<Search> {
  const { files, shared } = await filesToSearch(ctx, definition.project);
  const entries = await findBlobs(
    ctx.db,
    ctx.workspace,
    files.map((f) => f.digest),
  );
  const there = files.filter((f) => entries.has(f.digest));
  const searched = new Map<string, number>();
  const found: (FoundTable | FoundDocument)[] = [];
  const open = there.filter((f) => !known.parquet.has(f.digest));
  for (let i = 0; i < open.length; i += AT_ONCE)
    await Promise.all(
      open.slice(i, i + AT_ONCE).map(async (f) => known.parquet.set(f.digest, await isParquet(ctx, entries.get(f.digest)!))),
    );
  // Tables are searched by other processes while this one reads texts.
  const inTables = findInTables(
    ctx,
    definition,
    subject,
    links,
    there.filter((f) => known.parquet.get(f.digest)),
    known,
  );
  inTables.catch(() => undefined);
  const matchers = new Map<string, Matcher>();
  for (const [i, file] of there.entries()) {
    ctx.signal.throwIfAborted();
    if (i % 100 === 0) report({ what: 'looking through stored files', done: i, total: there.length, unit: 'files' });
    searched.set(file.place, (searched.get(file.place) ?? 0) + 1);
    if (known.parquet.get(file.digest)) continue;
    const spines = [...new Set(file.holders.flatMap((h) => h.spines ?? []))].sort().join('\0');
    const key = `${file.digest} ${spines}`;
    if (known.clean.has(key)) continue;
    const matcher = matchers.get(spines) ?? matcherOf(ctx, subject, links, file);
    matchers.set(spines, matcher);
    const kind = await lookInto(ctx, entries.get(file.digest)!, file, matcher);
    if (kind) found.push({ kind, file });
    else known.clean.add(key);
  }
  found.push(...(await inTables));
  return { found, searched, shared };
}
const AT_ONCE = 32;

export const matcherOf = (ctx: Ctx, subject: Subject, links: Links, file?: StoredFile): Matcher => {
  const spines = file ? new Set(file.holders.flatMap((h) => h.spines ?? [])) : new Set(links.rows.keys());
  const keys = [...spines].map((s) => links.rows.get(s)).filter((k) => k !== undefined);
  const values = loggedValues(ctx, subject.value);
  return {
    subject,
    values,
    isRowKey: (key) => keys.some((k) => k.has(key)),
    isPrediction: (id) => links.predictions.has(id),
    mayHold: sieveOf(values, keys.length > 0, links.predictions),
  };
};

export async function isParquet(ctx: Ctx, entry: BlobEntry): Promise<boolean> {
  if (entry.sizeBytes < 12) return false;
  const chunks = await ctx.blobs.open(entry, { start: 0, end: 4 }).toArray();
  return Buffer.concat(chunks as Buffer[]).toString('latin1') === 'PAR1';
}

/** The text of a document, and how to pack it again; undefined for what is no text. */
export function unpack(bytes: Buffer): { text: string; packed: 'gz' | 'zst' | undefined } | undefined {
  const magic = bytes.subarray(0, 4).toString('hex');
  const packed = magic.startsWith('1f8b') ? 'gz' : magic === '28b52ffd' ? 'zst' : undefined;
  try {
    const plain = packed === 'gz' ? gunzipSync(bytes) : packed === 'zst' ? zstdDecompressSync(bytes) : bytes;
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(plain), packed };
  } catch {
    return undefined;
  }
}

/** Whether bytes hold the subject, and if so whether they are text that can be cleared. */
export function lookIntoBytes(bytes: Buffer, m: Matcher): 'document' | 'opaque' | undefined {
  const unpacked = unpack(bytes);
  if (unpacked && !unpacked.text.includes('\0')) return clearDocument(unpacked.text, m) ? 'document' : undefined;
  // Bytes may be letters all through and still be no text: a graph of ONNX with short texts in it.
  if (unpacked && clearText(unpacked.text, m.values.filter(isDistinctive)) !== undefined) return 'opaque';
  return hasBytes(bytes, m) ? 'opaque' : undefined;
}

const hasBytes = (bytes: Buffer, m: Matcher): boolean =>
  m.values
    .filter((v) => v.length >= 5)
    .flatMap(writtenForms)
    .some((v) => bytes.includes(v, 0, 'utf8') || bytes.includes(v, 0, 'utf16le'));

async function lookInto(ctx: Ctx, entry: BlobEntry, file: StoredFile, m: Matcher): Promise<'document' | 'opaque' | undefined> {
  if (entry.sizeBytes <= DOCUMENT_BYTES) {
    const kind = lookIntoBytes(await ctx.blobs.read(entry), m);
    return kind === 'document' && file.holders.some((h) => h.opaque) ? 'opaque' : kind;
  }
  return (await holdInPieces(ctx.blobs.open(entry), m)) ? 'opaque' : undefined;
}

/** Whether bytes that come piece by piece hold the subject. */
export async function holdInPieces(pieces: AsyncIterable<unknown>, m: Matcher): Promise<boolean> {
  let tail = Buffer.alloc(0);
  for await (const piece of pieces) {
    const bytes = Buffer.concat([tail, piece as Buffer]);
    if (hasBytes(bytes, m)) return true;
    tail = bytes.subarray(-4096);
  }
  return false;
}

async function findInTables(
  ctx: Ctx,
  definition: ProjectDefinition,
  subject: Subject,
  links: Links,
  tables: readonly StoredFile[],
  known: Known,
): Promise<FoundTable[]> {
  const paths = await stageFiles(
    ctx,
    tables.map((f) => f.digest),
  );
  const fresh = tables.flatMap((f, i) => (known.columns.has(f.digest) ? [] : [{ digest: f.digest, path: paths[i]! }]));
  const columns = await tableColumns(
    ctx,
    fresh.map((f) => f.path),
  );
  for (const { digest, path } of fresh) known.columns.set(digest, columns.get(path));
  // Files of one schema and one condition are counted together.
  const groups = new Map<string, { condition: string; mentions: Mentions | undefined; at: number[] }>();
  for (const [i, file] of tables.entries()) {
    const own = known.columns.get(file.digest);
    const mentions = own && mentionsOf(own, loggedValues(ctx, subject.value));
    const condition = own && (conditionOf(ctx, definition, subject, links, file, own) ?? (mentions && 'false'));
    if (!condition) continue;
    const key = createHash('sha256')
      .update(JSON.stringify([own, condition]))
      .digest('hex');
    if (known.clean.has(`${file.digest} ${key}`)) continue;
    const group = groups.get(key);
    if (group) group.at.push(i);
    else groups.set(key, { condition, mentions, at: [i] });
  }
  const found: FoundTable[] = [];
  await inPairs([...groups], async ([key, { condition, mentions, at }]) => {
    const counts = await countMatching(
      ctx,
      at.map((i) => paths[i]!),
      condition,
      { gyre_links: links.path },
      mentions,
    );
    for (const i of at) {
      const [file, path] = [tables[i]!, paths[i]!];
      const count = counts.get(path)!;
      const columns = known.columns.get(file.digest)!;
      if (count.matching + count.mentioning > 0) found.push({ kind: 'table', file, path, columns, condition, mentions, ...count });
      else known.clean.add(`${file.digest} ${key}`);
    }
  });
  return found;
}

/** Two at a time, as many queries as run side by side. All that began have ended when it answers or fails. */
export async function inPairs<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  let failed = false;
  const go = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined && !failed; next = left.shift())
      await work(next).catch((error: unknown) => {
        failed = true;
        throw error;
      });
  };
  for (const r of await Promise.allSettled([go(), go()])) if (r.status === 'rejected') throw r.reason;
}

/** Tables that are read and written together: of one schema, with one condition, and with cells to clear or without. */
export const alike = (tables: readonly FoundTable[]): FoundTable[][] => [
  ...Map.groupBy(tables, (t) => JSON.stringify([t.columns, t.condition, t.mentioning > 0])).values(),
];

function conditionOf(
  ctx: Ctx,
  definition: ProjectDefinition,
  subject: Subject,
  links: Links,
  file: StoredFile,
  columns: readonly Column[],
): string | undefined {
  const has = (name: string): boolean => columns.some((c) => c.name === name);
  const parts: string[] = [];
  const datasets = [...new Set(file.holders.flatMap((h) => (h.dataset === undefined ? [] : [h.dataset])))];
  const own = subjectSql(columns, columnsIn(subject, datasets, definition), loggedValues(ctx, subject.value));
  if (own) parts.push(own);
  const linked = (expression: string, kind: string, of: readonly string[] | null): void => {
    const where = of === null ? '' : ` and dataset in (${of.map(sqlText).join(', ')})`;
    parts.push(`coalesce(${expression} in (select key from gyre_links where kind = ${sqlText(kind)}${where}), false)`);
  };
  const spines = [...new Set(file.holders.flatMap((h) => h.spines ?? []))].filter((s) => links.rows.has(s));
  if (has('row_key') && spines.length > 0) linked('row_key::varchar', 'row', spines);
  for (const dataset of datasets) {
    if (!definition.datasets[dataset]) continue;
    const same = sameRowsAs(definition, dataset).filter((d) => links.rows.has(d));
    const { key } = definition.datasets[dataset];
    if (same.length > 0 && key.every(has)) linked(keySql(key), 'row', same);
  }
  if (links.predictions.size > 0) {
    if (has('prediction_id')) linked('prediction_id::varchar', 'prediction', null);
    // In the log an id is a prediction's, and so is "p" of labels that wait.
    for (const name of ['id', 'p'])
      if (has(name) && file.holders.some((h) => h.predictions)) linked(`${name}::varchar`, 'prediction', null);
  }
  return parts.length === 0 ? undefined : parts.join('\n or ');
}

/** Collects the keys of the subject's rows, before any row goes. Written once; an erasure that goes on reads it. */
export async function collectLinks(ctx: Ctx, definition: ProjectDefinition, subject: Subject, folder: string): Promise<Links> {
  const path = join(folder, 'links.parquet');
  const none: Links = { path, rows: new Map(), predictions: new Set() };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lines = join(folder, 'links.ndjson');
  const { files } = await filesToSearch(ctx, definition.project);
  const keys = new Map<string, Set<string>>();
  for (const [name, dataset] of Object.entries(definition.datasets)) {
    if (dataset.key.length === 0) continue;
    const own = files.filter((f) => f.holders.some((h) => h.dataset === name && h.project === definition.project));
    const paths = await stageFiles(
      ctx,
      own.map((f) => f.digest),
    );
    const columns = await tableColumns(ctx, paths);
    for (const of of Map.groupBy(paths, (p) => JSON.stringify(columns.get(p) ?? [])).values()) {
      const its = columns.get(of[0]!) ?? [];
      const condition = subjectSql(its, columnsIn(subject, [name], definition), [subject.value]);
      if (!condition || !dataset.key.every((k) => its.some((c) => c.name === k))) continue;
      for (const part of fileParts(of)) {
        const { rows } = await ctx.compute.run(
          {
            what: `rows of a subject in dataset ${name}`,
            tables: { t: { files: part } },
            statements: [],
            rows: `select distinct ${keySql(dataset.key)} as key from t where ${condition}`,
          },
          ctx.signal,
        );
        const found = keys.get(name) ?? new Set();
        for (const { key } of rows) found.add(String(key));
        if (found.size > 0) keys.set(name, found);
      }
    }
  }
  // What a dataset with the same key is made of goes by the keys of what it is made from.
  for (const name of Object.keys(definition.datasets))
    for (const from of sameRowsAs(definition, name)) {
      const of = keys.get(from);
      if (of) keys.set(name, new Set([...(keys.get(name) ?? []), ...of]));
    }
  const predictions = new Set(predictionsAbout(ctx, definition.project, subject));
  // A table of scores knows whose predictions are in a log that has no column of the subject.
  const rowsOnly = await writeLinks(ctx, lines, { ...none, rows: keys });
  const entries = await findBlobs(
    ctx.db,
    ctx.workspace,
    files.map((f) => f.digest),
  );
  const tables: StoredFile[] = [];
  for (const f of files) if (entries.has(f.digest) && (await isParquet(ctx, entries.get(f.digest)!))) tables.push(f);
  for (const of of alike(await findInTables(ctx, definition, subject, rowsOnly, tables, nothingKnown()))) {
    const { columns, file, condition } = of[0]!;
    const named = (name: string): boolean => columns.some((c) => c.name === name);
    const id = named('prediction_id')
      ? 'prediction_id'
      : file.holders.some((h) => h.place.startsWith('inference log')) && named('id')
        ? 'id'
        : undefined;
    if (id === undefined || condition === 'false') continue;
    for (const part of fileParts(of.map((t) => t.path))) {
      const { rows } = await ctx.compute.run(
        {
          what: 'predictions about a subject',
          tables: { t: { files: part }, gyre_links: { files: [path] } },
          statements: [],
          rows: `select ${id}::varchar as id from t where ${id} is not null and (${condition})`,
        },
        ctx.signal,
      );
      for (const row of rows) predictions.add(String(row.id));
    }
  }
  return writeLinks(ctx, lines, { path, rows: keys, predictions });
}
