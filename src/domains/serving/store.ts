// Which segments of the inference log are shipped, and which files hold their records.
import type { Db } from '../../kernel/db/database.ts';
import type { LoggedColumn } from './model.ts';

type SegmentRow = { workspace_id: string; replica: string; segment: string; records: number; shipped_ms: number };
type FileRow = {
  workspace_id: string;
  replica: string;
  segment: string;
  project: string;
  endpoint: string;
  part: string;
  digest: string;
  records: number;
  from_us: number;
  to_us: number;
  columns: string;
  shipped_ms: number;
};

const tablesIn = (db: Db) => db.withTables<{ inference_segments: SegmentRow; inference_files: FileRow }>();

/** Segments belong to no workspace; the row is written when all their files are. */
const WHOLE = '';

/** Columns of a file's structs; one without columns is not in the file. */
export interface LoggedColumns {
  readonly request: readonly LoggedColumn[];
  readonly inputs: readonly LoggedColumn[];
}

export interface InferenceFile extends LoggedColumns {
  readonly digest: string;
  readonly records: number;
  /** Event times of its first and last record. */
  readonly fromUs: number;
  readonly toUs: number;
}

export interface ShippedFile extends InferenceFile {
  readonly workspace: string;
  readonly project: string;
  readonly endpoint: string;
  readonly replica: string;
  readonly segment: string;
  /** Which of the segment's files of this endpoint: they differ in their columns. */
  readonly part: string;
  readonly shippedMs: number;
}

/** The segments of a replica that are shipped as a whole. */
export async function listShipped(db: Db, replica: string): Promise<Set<string>> {
  const rows = await tablesIn(db)
    .selectFrom('inference_segments')
    .select('segment')
    .where('workspace_id', '=', WHOLE)
    .where('replica', '=', replica)
    .execute();
  return new Set(rows.map((r) => r.segment));
}

export const insertShipped = async (db: Db, s: { replica: string; segment: string; records: number; shippedMs: number }): Promise<void> =>
  void (await tablesIn(db)
    .insertInto('inference_segments')
    .values({ workspace_id: WHOLE, replica: s.replica, segment: s.segment, records: s.records, shipped_ms: s.shippedMs })
    .onConflict((c) => c.doNothing())
    .execute());

/** False if it was there already. */
export async function insertFile(db: Db, f: ShippedFile): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tablesIn(db)
    .insertInto('inference_files')
    .values({
      workspace_id: f.workspace,
      replica: f.replica,
      segment: f.segment,
      project: f.project,
      endpoint: f.endpoint,
      part: f.part,
      digest: f.digest,
      records: f.records,
      from_us: f.fromUs,
      to_us: f.toUs,
      columns: JSON.stringify({ request: f.request, inputs: f.inputs }),
      shipped_ms: f.shippedMs,
    })
    .onConflict((c) => c.doNothing())
    .executeTakeFirstOrThrow();
  return numInsertedOrUpdatedRows === 1n;
}

const toFile = (r: Pick<FileRow, 'digest' | 'records' | 'from_us' | 'to_us' | 'columns'>): InferenceFile => ({
  digest: r.digest,
  records: r.records,
  fromUs: r.from_us,
  toUs: r.to_us,
  ...(JSON.parse(r.columns) as LoggedColumns),
});

export interface OfEndpoint {
  readonly project: string;
  readonly endpoint: string;
}

const filesOf = (db: Db, workspace: string, of: OfEndpoint) =>
  tablesIn(db)
    .selectFrom('inference_files')
    .select(['digest', 'records', 'from_us', 'to_us', 'columns'])
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('endpoint', '=', of.endpoint);

/** Files with records between two event times, both included. */
export async function listFiles(db: Db, workspace: string, of: OfEndpoint, fromUs: number, toUs: number): Promise<InferenceFile[]> {
  const rows = await filesOf(db, workspace, of)
    .where('to_us', '>=', fromUs)
    .where('from_us', '<=', toUs)
    .orderBy('from_us')
    .orderBy('replica')
    .orderBy('segment')
    .orderBy('part')
    .execute();
  return rows.map(toFile);
}

/** Files that came since a moment of wall time, whatever the event time of their records. */
export async function listFilesSince(db: Db, workspace: string, of: OfEndpoint, sinceMs: number): Promise<InferenceFile[]> {
  const rows = await filesOf(db, workspace, of)
    .where('shipped_ms', '>=', sinceMs)
    .orderBy('from_us')
    .orderBy('replica')
    .orderBy('segment')
    .orderBy('part')
    .execute();
  return rows.map(toFile);
}

/** When the first and the last file of an endpoint came, and the event time of its newest record. */
export interface Arrivals {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly newestUs: number;
}

/** `newestUs` looks at moments until `untilUs` only: of a file that reaches beyond, its first. */
export async function findArrivals(db: Db, workspace: string, of: OfEndpoint, untilUs: number): Promise<Arrivals | undefined> {
  const row = await tablesIn(db)
    .selectFrom('inference_files')
    .select((eb) => [
      eb.fn.min<number | null>('shipped_ms').as('first'),
      eb.fn.max<number | null>('shipped_ms').as('last'),
      eb.fn
        .max<number | null>(
          eb.case().when('to_us', '<=', untilUs).then(eb.ref('to_us')).when('from_us', '<=', untilUs).then(eb.ref('from_us')).end(),
        )
        .as('newest'),
    ])
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('endpoint', '=', of.endpoint)
    .executeTakeFirstOrThrow();
  return row.first === null ? undefined : { firstMs: Number(row.first), lastMs: Number(row.last), newestUs: Number(row.newest) };
}

/** Files of one segment, by its workspace. */
export async function listFilesOfSegment(
  db: Db,
  workspace: string,
  replica: string,
  segments: readonly string[],
): Promise<InferenceFile[]> {
  const found: InferenceFile[] = [];
  for (let i = 0; i < segments.length; i += 500) {
    const rows = await tablesIn(db)
      .selectFrom('inference_files')
      .select(['digest', 'records', 'from_us', 'to_us', 'columns'])
      .where('workspace_id', '=', workspace)
      .where('replica', '=', replica)
      .where('segment', 'in', segments.slice(i, i + 500))
      .orderBy('segment')
      .orderBy('part')
      .execute();
    found.push(...rows.map(toFile));
  }
  return found;
}

/** How many files an endpoint has: the number grows with each that comes. */
export async function countFiles(db: Db, workspace: string, of: OfEndpoint): Promise<number> {
  const row = await tablesIn(db)
    .selectFrom('inference_files')
    .select((eb) => eb.fn.countAll<number>().as('n'))
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('endpoint', '=', of.endpoint)
    .executeTakeFirstOrThrow();
  return Number(row.n);
}

/** Every file of a workspace, with its project. */
export async function listAllFiles(db: Db, workspace: string): Promise<{ readonly project: string; readonly digest: string }[]> {
  return tablesIn(db).selectFrom('inference_files').select(['project', 'digest']).where('workspace_id', '=', workspace).execute();
}

/** Another file takes a file's place. */
export const replaceFile = (db: Db, workspace: string, project: string, digest: string, by: { digest: string; records: number }) =>
  tablesIn(db)
    .updateTable('inference_files')
    .set({ digest: by.digest, records: by.records })
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('digest', '=', digest)
    .execute();
