import { createHash } from 'node:crypto';
import { findBlobs } from '../../kernel/blobs/blob-index.ts';
import { safeParts } from '../../kernel/blobs/path-zone.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import type { Edge } from '../../kernel/events/events.ts';
import { newId } from '../../kernel/ids.ts';
import { establishTimeline, usToIso } from '../../kernel/timeline/timeline.ts';
import { fail } from './errors.ts';
import { diffProjects, namedFiles, type Change, type ProjectDefinition } from './model.ts';
import { parseProject } from './parse.ts';
import * as store from './store.ts';
import type { Revision, SnapshotFiles } from './store.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The id of a snapshot is the digest of its sorted paths and digests. */
export const snapshotId = (files: SnapshotFiles): string =>
  sha256(JSON.stringify(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))));

/** Stores a code snapshot whose blobs are all there. Raises `snapshot-incomplete`, `path-invalid`, `snapshot-clash`. */
export async function storeSnapshot(ctx: Ctx, files: SnapshotFiles): Promise<string> {
  // Steps lay these files out in a folder of their own, so no name may lead out of it or be file and folder at once.
  for (const path of Object.keys(files)) {
    const parts = safeParts(path);
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join('/');
      if (Object.hasOwn(files, parent)) fail('snapshot-clash', { file: parent, below: path });
    }
  }
  const found = await findBlobs(ctx.db, ctx.workspace, [...new Set(Object.values(files))]);
  const missing = Object.entries(files)
    .filter(([, digest]) => !found.has(digest))
    .map(([path]) => path);
  if (missing.length > 0) fail('snapshot-incomplete', { missing });
  const id = snapshotId(files);
  await ctx.tx(async (tx) => {
    if (!(await store.insertSnapshot(tx.db, tx.workspace, id, files, tx.clock.now()))) return;
    const edges = Object.entries(files).map(([path, digest]): Edge => ({
      from: { kind: 'code-snapshot', id },
      to: { kind: 'source-file', id: `${digest} ${path}` },
      relation: 'file',
    }));
    await tx.emit({
      type: 'code-snapshot.stored',
      subject: { kind: 'code-snapshot', id },
      label: `code ${id.slice(0, 12)}`,
      payload: { files: edges.length },
      edges,
    });
  });
  return id;
}

export interface Plan {
  readonly project: string;
  /** The revision that this was compared with; 0 = the project is new. */
  readonly baseRevision: number;
  readonly digest: string;
  readonly changes: readonly Change[];
  readonly definition: ProjectDefinition;
}

/** What applying this text would change. Raises `project-invalid`. */
export async function planProject(ctx: Ctx, text: string): Promise<Plan> {
  const definition = parseProject(text);
  const current = await store.findProject(ctx.db, ctx.workspace, definition.project);
  const revision = current && (await store.findRevision(ctx.db, ctx.workspace, current.name, current.revision));
  return {
    project: definition.project,
    baseRevision: current?.revision ?? 0,
    digest: sha256(JSON.stringify(definition)),
    changes: diffProjects(revision?.definition, definition),
    definition,
  };
}

export interface Apply {
  readonly text: string;
  readonly snapshot: string;
  /** The revision that the plan saw; absent = whatever is current. */
  readonly baseRevision?: number | undefined;
  readonly commit?: string | undefined;
  readonly dirtyDigest?: string | undefined;
}

/** Makes the next revision, or answers the current one when nothing differs. Raises `plan-outdated`, `snapshot-incomplete`, `timeline-fixed`. */
export async function applyProject(ctx: Ctx, input: Apply): Promise<{ revision: Revision; changes: readonly Change[]; created: boolean }> {
  const plan = await planProject(ctx, input.text);
  const { definition } = plan;
  if (input.baseRevision !== undefined && input.baseRevision !== plan.baseRevision)
    fail('plan-outdated', { seen: input.baseRevision, current: plan.baseRevision });
  const files =
    (await store.findSnapshot(ctx.db, ctx.workspace, input.snapshot)) ??
    fail('snapshot-incomplete', { missing: [`snapshot ${input.snapshot}`] });
  const missing = namedFiles(definition).filter((path) => !(path in files));
  if (missing.length > 0) fail('snapshot-incomplete', { missing });
  return ctx.tx(async (tx) => {
    const current = plan.baseRevision === 0 ? undefined : await store.findRevision(tx.db, tx.workspace, plan.project, plan.baseRevision);
    const [began, wanted] = [current?.definition.timeline, definition.timeline];
    if (began && (began.mode !== wanted.mode || (began.mode === 'replay' && began.startUs !== wanted.startUs)))
      fail('timeline-fixed', { project: plan.project, mode: began.mode, start: usToIso(began.startUs) });
    if (current?.digest === plan.digest && current.snapshot === input.snapshot) return { revision: current, changes: [], created: false };
    const number = plan.baseRevision + 1;
    const revision: Revision = {
      id: newId('rev', tx.ids),
      project: plan.project,
      number,
      definition,
      digest: plan.digest,
      snapshot: input.snapshot,
      commit: input.commit ?? null,
      dirtyDigest: input.dirtyDigest ?? null,
      actor: tx.actor.id,
      recordedMs: tx.clock.now(),
    };
    if (number === 1) {
      if (!(await store.insertProject(tx.db, tx.workspace, { name: plan.project, revision: 1, createdMs: tx.clock.now() })))
        fail('plan-outdated', { seen: 0, current: 1 });
      await establishTimeline(tx, plan.project, definition.timeline.mode, definition.timeline.startUs);
    } else if (!(await store.moveRevision(tx.db, tx.workspace, plan.project, plan.baseRevision, number))) {
      fail('plan-outdated', { seen: plan.baseRevision, current: number });
    }
    await store.insertRevision(tx.db, tx.workspace, revision);
    await tx.emit({
      type: 'project-revision.applied',
      subject: { kind: 'project-revision', id: revision.id },
      label: `${plan.project} revision ${number}`,
      project: plan.project,
      payload: { number, digest: plan.digest, commit: revision.commit, changes: plan.changes },
      edges: [{ from: { kind: 'project-revision', id: revision.id }, to: { kind: 'code-snapshot', id: input.snapshot }, relation: 'code' }],
    });
    return { revision, changes: plan.changes, created: true };
  });
}

/** The applied revision that is current. Raises `project-not-found`. */
export async function currentRevision(ctx: Ctx, project: string): Promise<Revision> {
  const found = await store.findProject(ctx.db, ctx.workspace, project);
  const revision = found && (await store.findRevision(ctx.db, ctx.workspace, project, found.revision));
  return revision ?? fail('project-not-found', { project });
}

/** A revision by its id. Raises `revision-not-found`. */
export const revisionById = async (ctx: Ctx, id: string): Promise<Revision> =>
  (await store.getRevision(ctx.db, ctx.workspace, id)) ?? fail('revision-not-found', { project: '', revision: id });

/** A revision of a project by its number; undefined if there is none. */
export const revisionByNumber = (ctx: Ctx, project: string, number: number): Promise<Revision | undefined> =>
  store.findRevision(ctx.db, ctx.workspace, project, number);

/** Paths and digests of a snapshot. Raises `snapshot-incomplete`. */
export const snapshotFiles = async (ctx: Ctx, id: string): Promise<SnapshotFiles> =>
  (await store.findSnapshot(ctx.db, ctx.workspace, id)) ?? fail('snapshot-incomplete', { missing: [`snapshot ${id}`] });

/** The text of a file of a snapshot. Raises `snapshot-incomplete`. */
export async function snapshotText(ctx: Ctx, snapshot: string, path: string): Promise<{ text: string; digest: string }> {
  const digest = (await snapshotFiles(ctx, snapshot))[path] ?? fail('snapshot-incomplete', { missing: [path] });
  const entry = (await findBlobs(ctx.db, ctx.workspace, [digest])).get(digest) ?? fail('snapshot-incomplete', { missing: [path] });
  return { text: (await ctx.blobs.read(entry)).toString('utf8'), digest };
}

/** Files of code: what a snapshot is named after cannot be changed. */
export const codeFilesOfAll = async (ctx: Ctx): Promise<{ digest: string; place: string; project: null; opaque: true }[]> =>
  (await store.listSnapshotDigests(ctx.db, ctx.workspace)).map((digest) => ({
    digest,
    place: 'code snapshot',
    project: null,
    opaque: true,
  }));

/** Names of the workspace's projects. */
export async function listProjectNames(ctx: Ctx): Promise<string[]> {
  const names: string[] = [];
  for (let after = ''; ;) {
    const page = await store.listProjects(ctx.db, ctx.workspace, after, 500);
    names.push(...page.map((p) => p.name));
    if (page.length < 500) return names;
    after = page.at(-1)!.name;
  }
}
