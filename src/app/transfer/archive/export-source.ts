// Reads an export. Its entries come one after the other and are wanted in another order, so they are laid out in a folder
// first: only names that an archive may have, and no more bytes than its manifest says and the disk has.
import { createReadStream, createWriteStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openPathZone } from '../../../kernel/blobs/path-zone.ts';
import type { TakenModel } from '../../../domains/registry/public.ts';
import { fail as failMaintenance } from '../../maintenance/errors.ts';
import { openArchive } from '../../maintenance/archive/reader.ts';
import { fail } from '../errors.ts';
import type { Source, SourceFile, SourceLoggedModel, SourceMetric, SourceRun } from '../source.ts';
import { EXPORT_FORMAT, fromText, SCHEMA, type About } from './layout.ts';

/** Raises `export-invalid`, `archive-unusable`, `archive-corrupt`, `no-room`. */
export async function openExport(file: string, parent = tmpdir()): Promise<Source> {
  const archive = await openArchive(file, undefined);
  if (archive.head.schema !== SCHEMA) fail('export-invalid', { file, why: 'it is a backup of a whole server; "gyre restore" reads it' });
  const { bavail, bsize } = await statfs(parent);
  if (archive.head.bytes > bavail * bsize)
    failMaintenance('no-room', { where: parent, neededBytes: archive.head.bytes, freeBytes: bavail * bsize });
  const folder = await mkdtemp(join(parent, 'gyre-import-'));
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    for await (const { place, bytes } of archive.entries()) {
      if (place.kind !== 'path') return fail('export-invalid', { file, why: `it holds a ${place.kind}` });
      const to = join(folder, place.path);
      await mkdir(dirname(to), { recursive: true });
      await pipeline(Readable.from(bytes), createWriteStream(to, { flags: 'wx', mode: 0o600 }));
    }
    return sourceIn(folder, file, close);
  } catch (error) {
    await close();
    throw error;
  }
}

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);

function sourceIn(folder: string, file: string, close: () => Promise<void>): Source {
  const about = existsSync(join(folder, 'about.json')) ? (read(join(folder, 'about.json')) as About) : undefined;
  if (about?.export !== EXPORT_FORMAT) return fail('export-invalid', { file, why: `it has not the format ${EXPORT_FORMAT}` });
  const all = <T>(of: string): T[] => namesIn(join(folder, of)).map((name) => read(join(folder, of, name)) as T);
  return {
    origin: 'gyre',
    place: about.place,
    identity: about.identity,
    faults: [],
    experiments: async () => [...about.experiments],
    async *runs(e) {
      for (const name of namesIn(join(folder, 'runs', e.id))) yield read(join(folder, 'runs', e.id, name)) as SourceRun;
    },
    async *metrics(run) {
      const lines = join(folder, 'points', run.experimentId, `${run.id}.jsonl`);
      if (!existsSync(lines)) return;
      for (const line of readFileSync(lines, 'utf8').split('\n')) if (line !== '') yield fromText(line) as SourceMetric;
    },
    async *loggedModels(e) {
      yield* all<SourceLoggedModel>(`logged-models/${e.id}`);
    },
    async *models() {
      yield* all<TakenModel>('models');
    },
    artifacts: async ({ kind, of }) => filesIn(join(folder, 'files', kind, of.id)),
    leftOut: async () => ({}),
    close,
  };
}

const read = (path: string): unknown => fromText(readFileSync(path, 'utf8'));

async function* filesIn(folder: string): AsyncGenerator<SourceFile> {
  if (!existsSync(folder)) return;
  for await (const { path, sizeBytes } of openPathZone(folder, 'process').walk(''))
    yield { path, sizeBytes, open: async () => createReadStream(join(folder, path)) };
}
