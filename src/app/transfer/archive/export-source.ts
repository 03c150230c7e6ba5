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
import type { Source, SourceFile, SourceLoggedModel, SourceRun } from '../source.ts';
import { fromText, SCHEMA, type About } from './layout.ts';
import { checkedAbout, checkRecord, metricOf, WrongRecord } from './records.ts';

/** Raises `export-invalid`, `archive-unusable`, `archive-corrupt`, `no-room`. */
export async function openExport(file: string, parent = tmpdir()): Promise<Source> {
  const archive = await openArchive(file, undefined);
  if (archive.head.schema !== SCHEMA) fail('export-invalid', { file, why: 'it is a backup of a whole server; "gyre restore" reads it' });
  const { bavail, bsize, ffree, files } = await statfs(parent);
  // Every entry is a file, which takes a block and a place in the tables of the disk.
  const neededBytes = archive.head.bytes + archive.head.entries * bsize;
  if (neededBytes > bavail * bsize || (files > 0 && archive.head.entries > ffree))
    failMaintenance('no-room', { where: parent, neededBytes, freeBytes: bavail * bsize });
  const folder = await mkdtemp(join(parent, 'gyre-import-'));
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    for await (const { name, place, bytes } of archive.entries()) {
      if (place.kind !== 'path') return fail('export-invalid', { file, why: `it holds a ${place.kind}` });
      const to = join(folder, place.path);
      try {
        await mkdir(dirname(to), { recursive: true });
        await pipeline(Readable.from(bytes), createWriteStream(to, { flags: 'wx', mode: 0o600 }));
      } catch (error) {
        const why = UNUSABLE[(error as { code?: string }).code ?? ''];
        if (why === undefined) throw error;
        return fail('export-invalid', { file, why: `the entry ${name.slice(0, 300)} ${why}` });
      }
    }
    return sourceIn(folder, close);
  } catch (error) {
    await close();
    throw error instanceof WrongRecord ? asInvalid(file, error) : error;
  }
}

/** What a disk says of names that no export has. */
const UNUSABLE: Readonly<Record<string, string>> = {
  EEXIST: 'is there twice',
  EISDIR: 'is a file and a folder',
  ENOTDIR: 'is a file and a folder',
  ENAMETOOLONG: 'has a name that is too long',
  EILSEQ: 'has a name that no file can have here',
  EINVAL: 'has a name that no file can have here',
};

const asInvalid = (file: string, error: WrongRecord): unknown => {
  try {
    return fail('export-invalid', { file, why: error.message });
  } catch (problem) {
    return problem;
  }
};

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);
const JSON_FILE = /^(.+)\.json$/;

/** Looks at every record. Raises `WrongRecord`. */
function checkAll(folder: string): About {
  if (!existsSync(join(folder, 'about.json'))) throw new WrongRecord('it has no paths/about.json');
  const about = checkedAbout('paths/about.json', join(folder, 'about.json'));
  const known = new Set(about.experiments.map((e) => e.id));
  for (const [of, kind] of [
    ['runs', 'run'],
    ['logged-models', 'logged-model'],
  ] as const)
    for (const experimentId of namesIn(join(folder, of))) {
      if (!known.has(experimentId)) throw new WrongRecord(`paths/${of}/${experimentId} is of an experiment that it does not name`);
      for (const file of namesIn(join(folder, of, experimentId))) {
        const place = `paths/${of}/${experimentId}/${file}`;
        const name = JSON_FILE.exec(file)?.[1];
        if (name === undefined) throw new WrongRecord(`${place} is no record`);
        checkRecord(kind, place, join(folder, of, experimentId, file), { name, experimentId });
      }
    }
  for (const file of namesIn(join(folder, 'models'))) checkRecord('model', `paths/models/${file}`, join(folder, 'models', file));
  for (const experimentId of namesIn(join(folder, 'points')))
    for (const file of namesIn(join(folder, 'points', experimentId)))
      for (const [i, line] of readFileSync(join(folder, 'points', experimentId, file), 'utf8')
        .split('\n')
        .entries())
        if (line !== '') metricOf(`paths/points/${experimentId}/${file} line ${i + 1}`, line);
  return about;
}

function sourceIn(folder: string, close: () => Promise<void>): Source {
  const about = checkAll(folder);
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
      for (const line of readFileSync(lines, 'utf8').split('\n')) if (line !== '') yield metricOf(lines, line);
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
