import type { Db } from '../../kernel/db/database.ts';
import type { Certificate, Erasure, ErasureState, Findings } from './model.ts';

type ErasureRow = {
  workspace_id: string;
  id: string;
  project: string;
  subject_kind: string;
  subject_hmac: string;
  sealed_subject: string | null;
  reason: string;
  dry_run: number;
  state: ErasureState;
  findings: string;
  certificate: string | null;
  error: string | null;
  actor_kind: string;
  actor_id: string;
  created_ms: number;
  finished_ms: number | null;
  version: number;
};
type FileRow = {
  workspace_id: string;
  erasure_id: string;
  digest: string;
  new_digest: string;
  size_bytes: number;
  place: string;
  rows_before: number | null;
  rows_removed: number;
  rows_cleared: number;
  kept_digest: string | null;
  applied: number;
};
type AccessRow = {
  workspace_id: string;
  id: string;
  project: string;
  subject_hmac: string;
  kind: string;
  ref: string;
  reason: string;
  actor_kind: string;
  actor_id: string;
  recorded_ms: number;
};

const tablesIn = (db: Db) => db.withTables<{ erasures: ErasureRow; erasure_files: FileRow; subject_accesses: AccessRow }>();

const toErasure = (r: ErasureRow): Erasure => ({
  id: r.id,
  project: r.project,
  subjectKind: r.subject_kind,
  subjectHmac: r.subject_hmac,
  sealedSubject: r.sealed_subject,
  reason: r.reason,
  dryRun: r.dry_run === 1,
  state: r.state,
  findings: JSON.parse(r.findings) as Findings,
  certificate: r.certificate === null ? null : (JSON.parse(r.certificate) as Certificate),
  error: r.error,
  actor: { kind: r.actor_kind, id: r.actor_id },
  createdMs: r.created_ms,
  finishedMs: r.finished_ms,
  version: r.version,
});

export const insertErasure = (db: Db, workspace: string, e: Erasure) =>
  tablesIn(db)
    .insertInto('erasures')
    .values({
      workspace_id: workspace,
      id: e.id,
      project: e.project,
      subject_kind: e.subjectKind,
      subject_hmac: e.subjectHmac,
      sealed_subject: e.sealedSubject,
      reason: e.reason,
      dry_run: e.dryRun ? 1 : 0,
      state: e.state,
      findings: JSON.stringify(e.findings),
      certificate: null,
      error: null,
      actor_kind: e.actor.kind,
      actor_id: e.actor.id,
      created_ms: e.createdMs,
      finished_ms: null,
      version: 1,
    })
    .execute();

export async function getErasure(db: Db, workspace: string, id: string): Promise<Erasure | undefined> {
  const row = await tablesIn(db)
    .selectFrom('erasures')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toErasure(row);
}

export async function listErasures(db: Db, workspace: string, project: string, before: string, limit: number): Promise<Erasure[]> {
  const rows = await tablesIn(db)
    .selectFrom('erasures')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('id', '<', before)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toErasure);
}

export interface ErasurePatch {
  readonly state?: ErasureState;
  readonly findings?: Findings;
  readonly certificate?: Certificate;
  readonly error?: string | null;
  readonly sealedSubject?: null;
  readonly finishedMs?: number | null;
}

/** Changes an erasure that is in one of these states. False if it is in another by now. */
export async function updateErasure(
  db: Db,
  workspace: string,
  id: string,
  from: readonly ErasureState[],
  patch: ErasurePatch,
): Promise<boolean> {
  const { numUpdatedRows } = await tablesIn(db)
    .updateTable('erasures')
    .set((eb) => ({
      ...(patch.state === undefined ? {} : { state: patch.state }),
      ...(patch.findings === undefined ? {} : { findings: JSON.stringify(patch.findings) }),
      ...(patch.certificate === undefined ? {} : { certificate: JSON.stringify(patch.certificate) }),
      ...(patch.error === undefined ? {} : { error: patch.error }),
      ...(patch.sealedSubject === undefined ? {} : { sealed_subject: patch.sealedSubject }),
      ...(patch.finishedMs === undefined ? {} : { finished_ms: patch.finishedMs }),
      version: eb('version', '+', 1),
    }))
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .where('state', 'in', [...from])
    .executeTakeFirstOrThrow();
  return numUpdatedRows === 1n;
}

export interface MadeFile {
  readonly digest: string;
  readonly newDigest: string;
  readonly sizeBytes: number;
  readonly place: string;
  readonly rowsBefore: number | null;
  readonly rowsRemoved: number;
  /** Rows or texts that stayed, with a mark in place of the value. */
  readonly rowsCleared: number;
  readonly keptDigest: string | null;
  /** The records point at the new file. */
  readonly applied: boolean;
}

export const insertMade = (db: Db, workspace: string, erasureId: string, f: MadeFile) => {
  const values = {
    new_digest: f.newDigest,
    size_bytes: f.sizeBytes,
    place: f.place,
    rows_before: f.rowsBefore,
    rows_removed: f.rowsRemoved,
    rows_cleared: f.rowsCleared,
    kept_digest: f.keptDigest,
    applied: f.applied ? 1 : 0,
  };
  return tablesIn(db)
    .insertInto('erasure_files')
    .values({ workspace_id: workspace, erasure_id: erasureId, digest: f.digest, ...values })
    .onConflict((c) => c.columns(['workspace_id', 'erasure_id', 'digest']).doUpdateSet(values))
    .execute();
};

export async function listMade(db: Db, workspace: string, erasureId: string): Promise<MadeFile[]> {
  const rows = await tablesIn(db)
    .selectFrom('erasure_files')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('erasure_id', '=', erasureId)
    .orderBy('place')
    .orderBy('digest')
    .execute();
  return rows.map((r) => ({
    digest: r.digest,
    newDigest: r.new_digest,
    sizeBytes: r.size_bytes,
    place: r.place,
    rowsBefore: r.rows_before,
    rowsRemoved: r.rows_removed,
    rowsCleared: r.rows_cleared,
    keptDigest: r.kept_digest,
    applied: r.applied === 1,
  }));
}

export const setApplied = (db: Db, workspace: string, erasureId: string) =>
  tablesIn(db)
    .updateTable('erasure_files')
    .set({ applied: 1 })
    .where('workspace_id', '=', workspace)
    .where('erasure_id', '=', erasureId)
    .execute();

export interface Access {
  readonly id: string;
  readonly project: string;
  readonly subjectHmac: string;
  readonly kind: 'looked-up' | 'erased' | 'exported';
  /** The erasure or report that it was for; may be ''. */
  readonly ref: string;
  readonly reason: string;
  readonly actor: { readonly kind: string; readonly id: string };
  readonly recordedMs: number;
}

export const insertAccess = (db: Db, workspace: string, a: Access) =>
  tablesIn(db)
    .insertInto('subject_accesses')
    .values({
      workspace_id: workspace,
      id: a.id,
      project: a.project,
      subject_hmac: a.subjectHmac,
      kind: a.kind,
      ref: a.ref,
      reason: a.reason,
      actor_kind: a.actor.kind,
      actor_id: a.actor.id,
      recorded_ms: a.recordedMs,
    })
    .execute();

export async function listAccesses(db: Db, workspace: string, project: string, subjectHmac: string): Promise<Access[]> {
  const rows = await tablesIn(db)
    .selectFrom('subject_accesses')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('subject_hmac', '=', subjectHmac)
    .orderBy('id')
    .execute();
  return rows.map((r) => ({
    id: r.id,
    project: r.project,
    subjectHmac: r.subject_hmac,
    kind: r.kind as Access['kind'],
    ref: r.ref,
    reason: r.reason,
    actor: { kind: r.actor_kind, id: r.actor_id },
    recordedMs: r.recorded_ms,
  }));
}
