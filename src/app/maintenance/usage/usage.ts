// What takes how much room, and what of it a sweep would free.
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openBlobStore } from '../../../kernel/blobs/open-store.ts';
import type { Settings } from '../../../kernel/config/settings.ts';
import { wallClock } from '../../../kernel/clock.ts';
import { silentLog } from '../../../kernel/log.ts';
import { sweepAttempts, type RunEnd } from '../../../domains/pipelines/public.ts';
import { locationOf } from '../database/open-database.ts';
import { collect, openSnapshot, type Snapshot } from '../database/snapshot.ts';

export interface Usage {
  readonly databaseBytes: number;
  readonly blobs: {
    /** Named by records, each counted once. */
    readonly liveBytes: number;
    /** Of those, named by more than one workspace. */
    readonly sharedBytes: number;
    /** In packs that no record names: a sweep frees them a day after they came. */
    readonly orphanedBytes: number;
    readonly orphanedPacks: number;
    /** Inside packs that are named, between what is: an erasure's purge frees it. */
    readonly holeBytes: number;
  };
  readonly artifactBytes: number;
  /** Folders of the server that are neither: logs, caches, copies that are made again. */
  readonly folders: readonly { readonly folder: string; readonly bytes: number; readonly madeAgain: boolean }[];
  /** In folders of attempts, of files that the daily sweep removes next. */
  readonly sweptAttemptBytes: number;
  readonly totalBytes: number;
}

const DAY_MS = 24 * 3_600_000;
const MADE_AGAIN = ['staged', 'cache', 'compute', 'models', 'online', 'environments', 'uv-cache', 'erasing'];

export async function measureUsage(settings: Settings): Promise<Usage> {
  const snapshot = await openSnapshot(locationOf(settings));
  const store = await openBlobStore(settings, silentLog);
  try {
    const number = async (text: string): Promise<number> => Number((await collect(snapshot.query<{ n: number }>(text)))[0]?.n ?? 0);
    const liveBytes = await number('select coalesce(sum(n), 0) as n from (select max(size_bytes) as n from blobs group by digest) d');
    const sharedBytes = await number(
      'select coalesce(sum(n), 0) as n from (select max(size_bytes) as n from blobs group by digest having count(distinct workspace_id) > 1) d',
    );
    const kept = new Map<string, number>();
    for await (const batch of snapshot.query<{ pack: string; n: number }>(
      'select pack, sum(length) as n from (select distinct pack, pack_offset, length from blobs) d group by pack',
    ))
      for (const { pack, n } of batch) kept.set(pack, Number(n));
    let [orphanedBytes, orphanedPacks, holeBytes] = [0, 0, 0];
    for await (const { pack, sizeBytes, incoming } of store.packs()) {
      if (incoming) continue;
      const own = kept.get(pack);
      if (own === undefined) [orphanedBytes, orphanedPacks] = [orphanedBytes + sizeBytes, orphanedPacks + 1];
      else holeBytes += Math.max(0, sizeBytes - own);
    }
    let artifactBytes = 0;
    for await (const { sizeBytes } of store.paths.walk('')) artifactBytes += sizeBytes;
    const databaseBytes = await sizeOfDatabase(settings, snapshot);
    const folders: Usage['folders'][number][] = [];
    const entries = await readdir(settings.dir, { withFileTypes: true }).catch(() => []);
    for (const { name } of entries.filter((e) => e.isDirectory() && e.name !== 'cas' && e.name !== 'paths'))
      folders.push({ folder: name, bytes: await sizeOf(join(settings.dir, name)), madeAgain: MADE_AGAIN.includes(name) });
    folders.sort((a, b) => b.bytes - a.bytes);
    const ends = await collect(snapshot.query<RunEnd & Record<string, unknown>>('select id, state, finished_ms from pipeline_runs'));
    const swept = await sweepAttempts({
      dir: settings.dir,
      endsOf: async () => ends,
      beforeMs: settings.attemptRetentionDays === 0 ? 0 : wallClock.now() - settings.attemptRetentionDays * DAY_MS,
      dryRun: true,
    });
    const rest = folders.reduce((sum, f) => sum + f.bytes, 0);
    return {
      databaseBytes,
      blobs: { liveBytes, sharedBytes, orphanedBytes, orphanedPacks, holeBytes },
      artifactBytes,
      folders,
      sweptAttemptBytes: swept.bytes,
      totalBytes: databaseBytes + [...kept.values()].reduce((sum, n) => sum + n, 0) + holeBytes + orphanedBytes + artifactBytes + rest,
    };
  } finally {
    await snapshot.close();
    await store.close();
  }
}

async function sizeOfDatabase(settings: Settings, snapshot: Snapshot): Promise<number> {
  if (settings.databaseUrl) {
    const names = snapshot.tables.map((t) => `'${t.name}'`).join(', ');
    const [row] = await collect(
      snapshot.query<{ n: number }>(`select sum(pg_total_relation_size(c.oid)) as n from pg_class c
        join pg_namespace s on s.oid = c.relnamespace where s.nspname = current_schema() and c.relkind = 'r' and c.relname in (${names})`),
    );
    return Number(row?.n ?? 0);
  }
  let bytes = 0;
  for (const suffix of ['', '-wal', '-shm'])
    bytes += (await lstat(join(settings.dir, `gyre.db${suffix}`)).catch(() => undefined))?.size ?? 0;
  return bytes;
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await sizeOf(path);
    else if (entry.isFile()) bytes += (await lstat(path).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}

export const GROUPS = ['workspace', 'project', 'experiment', 'model', 'dataset'] as const;
export type Group = (typeof GROUPS)[number];

export interface Share {
  readonly workspace: string;
  readonly name: string;
  readonly files: number;
  readonly bytes: number;
}

/** Bytes by what they belong to; what two share is counted with each. */
export async function measureShares(settings: Settings, by: Group): Promise<Share[]> {
  const snapshot = await openSnapshot(locationOf(settings));
  try {
    if (by === 'experiment') return await experiments(settings, snapshot);
    const text = {
      workspace:
        'select workspace_id as workspace, workspace_id as name, count(*) as files, sum(size_bytes) as bytes from blobs group by workspace_id',
      model: `select f.workspace_id as workspace, v.model as name, count(*) as files, sum(f.size_bytes) as bytes from model_version_files f
        join model_versions v on v.workspace_id = f.workspace_id and v.id = f.version_id group by f.workspace_id, v.model`,
      dataset: datasets('v.project', 'v.dataset'),
      project: datasets('v.project', undefined),
    }[by];
    const rows = await collect(snapshot.query<{ workspace: string; name: string; files: number; bytes: number }>(text));
    return sorted(rows.map((r) => ({ workspace: r.workspace, name: r.name, files: Number(r.files), bytes: Number(r.bytes ?? 0) })));
  } finally {
    await snapshot.close();
  }
}

const sorted = (shares: Share[]): Share[] => shares.sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1));

const datasets = (project: string, dataset: string | undefined): string => `select workspace as workspace, name as name, count(*) as files,
  sum(size) as bytes from (select distinct v.workspace_id as workspace, ${dataset ? `${project} || '/' || ${dataset}` : project} as name, b.digest as digest,
  b.size_bytes as size from dataset_versions v join dataset_files f on f.workspace_id = v.workspace_id and f.version_id = v.id
  join blobs b on b.workspace_id = f.workspace_id and b.digest = f.digest) d group by workspace, name`;

async function experiments(settings: Settings, snapshot: Snapshot): Promise<Share[]> {
  const named = new Map<string, string>();
  for (const e of await collect(
    snapshot.query<{ workspace_id: string; id: string; name: string }>('select workspace_id, id, name from experiments'),
  ))
    named.set(`${e.workspace_id}/${e.id}`, e.name);
  const store = await openBlobStore(settings, silentLog);
  const shares = new Map<string, { files: number; bytes: number }>();
  try {
    for await (const { path, sizeBytes } of store.paths.walk('')) {
      const [workspace = '', experiment = ''] = path.split('/');
      const own = shares.get(`${workspace}/${experiment}`) ?? { files: 0, bytes: 0 };
      shares.set(`${workspace}/${experiment}`, { files: own.files + 1, bytes: own.bytes + sizeBytes });
    }
  } finally {
    await store.close();
  }
  return sorted(
    [...shares].map(([key, own]) => ({
      workspace: key.split('/')[0]!,
      name: named.get(key) ?? `${key.split('/')[1]} (no experiment)`,
      ...own,
    })),
  );
}
