// The erasure itself: steps that can each be done again, so that a process that dies goes on where it stood.
// Records point at what took a file's place before the file leaves the disk.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventsWith, sweepTexts } from '../../../kernel/db/all-text.ts';
import { purgePacks, replaceBlobs } from '../../../kernel/blobs/erase-blobs.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import type { JobRun } from '../../../kernel/jobs/jobs.ts';
import { runningJobs } from '../../../kernel/jobs/queue.ts';
import { clearVersions } from '../../datasets/public.ts';
import { clearOnline, repointViews } from '../../features/public.ts';
import { repointLabels } from '../../feedback/public.ts';
import { repointBaselines } from '../../monitoring/public.ts';
import { modelsTrainedOn, openRuns, repointSteps } from '../../pipelines/public.ts';
import { currentRevision, listProjectNames, type Revision } from '../../projects/public.ts';
import { modelVersionsOf, repointModels } from '../../registry/public.ts';
import { liveAcks, publishPlan } from '../../releases/public.ts';
import { eraseFromSegments, predictionsAbout, repointShipped, shipSegments } from '../../serving/public.ts';
import { canonical, ERASED, isDistinctive, needlesOf, type Redact, type Subject } from '../../subjects/public.ts';
import { repointLoggedModels } from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import { addPlaces, type Erasure, type Findings, type ModelAffected, type NotCovered, type PlaceCount } from '../model.ts';
import * as store from '../store.ts';
import { completeErasure } from './certify.ts';
import { parseExactly, writeExactly } from './exact-json.ts';
import { artifactFiles, clearFiles, pruneAttempts, removeCopies } from './files.ts';
import { clearJson, clearWords, isNamed, type Matcher } from './redact.ts';
import { openSubject } from './request.ts';
import { makeReplacements, replacedBy } from './rewrite.ts';
import { readLinks, type Links } from './links.ts';
import { collectLinks, findSubject, matcherOf, nothingKnown, type Search } from './search.ts';

const WAIT_MS = 200;
/** Work that was under way when the erasure began may have stored more, so it looks again this often. */
const ROUNDS = 3;
/** So many texts are looked for at once in the records. */
const NEEDLES = 20;
/** What a project says is named after its digest; it is looked at with the code. */
const NOT_TEXTS = ['project_revisions', 'code_snapshots'];

/** The place of code, as the project tells of it. */
const CODE = 'code snapshot';

interface Work {
  readonly erasure: Erasure;
  readonly revision: Revision;
  readonly subject: Subject;
  readonly folder: string;
  readonly report: JobRun['report'];
}

/** Goes on with an erasure until it has ended. Raises `erasure-incomplete`. */
export async function runErasure(ctx: Ctx, id: string, report: JobRun['report']): Promise<void> {
  const erasure = await store.getErasure(ctx.db, ctx.workspace, id);
  if (!erasure?.sealedSubject || erasure.state === 'completed' || erasure.state === 'failed') return;
  const subject = openSubject(ctx, erasure.sealedSubject);
  const revision = await currentRevision(ctx, erasure.project);
  const work: Work = { erasure, revision, subject, folder: join(ctx.settings.dir, 'erasing', erasure.id), report };
  let state: Erasure['state'] = erasure.state;
  if (erasure.dryRun) return dryRun(ctx, work);
  if (state === 'waiting') {
    await waitForReaders(ctx, work);
    state = await enter(ctx, work, state, 'linking');
  }
  if (state === 'linking') {
    report({ what: 'looking for the subject' });
    await shipSegments(ctx, () => liveAcks(ctx));
    await collectLinks(ctx, revision.definition, subject, work.folder);
    state = await enter(ctx, work, state, 'rewriting');
  }
  const links = await readLinks(ctx, work.folder);
  if (state === 'rewriting') {
    await rewriteFiles(ctx, work, links);
    state = await enter(ctx, work, state, 'clearing');
  }
  if (state === 'clearing') {
    await clearPlaces(ctx, work, links);
    state = await enter(ctx, work, state, 'verifying');
  }
  await verify(ctx, work, links);
  await completeErasure(ctx, erasure.id);
  await rm(work.folder, { recursive: true, force: true });
  await publishPlan(ctx);
  await ctx.database.scrub();
}

async function enter(ctx: Ctx, { erasure }: Work, from: Erasure['state'], to: Erasure['state']): Promise<Erasure['state']> {
  failpoint(`governance.before-${to}`);
  await ctx.tx((tx) => store.updateErasure(tx.db, tx.workspace, erasure.id, [from], { state: to }));
  failpoint(`governance.after-${to}`);
  return to;
}

const findingsOf = async (ctx: Ctx, id: string): Promise<Findings> => (await store.getErasure(ctx.db, ctx.workspace, id))!.findings;

/** Runs that read the data end first; new ones are refused while the project is held. */
async function waitForReaders(ctx: Ctx, { erasure, report }: Work): Promise<void> {
  // From now on the data planes write nothing about the subject.
  await publishPlan(ctx);
  const others = (await runningJobs(ctx.db)).filter((j) => !/^(pipelines|governance)\./.test(j.name));
  for (;;) {
    const runs = await openRuns(ctx, erasure.project);
    const still = new Set((await runningJobs(ctx.db)).map((j) => j.id));
    const jobs = others.filter((j) => still.has(j.id)).length;
    if (runs.length === 0 && jobs === 0) return;
    report({ what: `waiting for ${runs.length} runs and ${jobs} other jobs to end` });
    await delay(WAIT_MS, undefined, { signal: ctx.signal });
  }
}

async function rewriteFiles(ctx: Ctx, work: Work, links: Links): Promise<void> {
  const { erasure, revision, subject, report } = work;
  const known = nothingKnown();
  for (let round = 1; round <= ROUNDS; round++) {
    // From the second round on these are files that came in between, and those that were written.
    const search = await findSubject(ctx, revision.definition, subject, links, known, report);
    const made = await store.listMade(ctx.db, ctx.workspace, erasure.id);
    const open = search.found.filter(
      (f) => f.kind !== 'opaque' && !(search.shared.has(f.file.digest) && made.some((m) => m.applied && m.digest === f.file.digest)),
    );
    if (open.length === 0) return;
    await makeReplacements(ctx, erasure.id, subject, links, { ...search, found: open }, report);
    await applyReplacements(ctx, work, links, search);
  }
}

async function applyReplacements(ctx: Ctx, { erasure, revision, subject }: Work, links: Links, search: Search): Promise<void> {
  const { project } = erasure;
  const made = (await store.listMade(ctx.db, ctx.workspace, erasure.id)).filter((f) => !f.applied && f.newDigest !== f.digest);
  const replaced = replacedBy(made);
  const redact = redactFor(matcherOf(ctx, subject, links));
  const cleared = await clearVersions(ctx, revision, replaced, redact);
  const trained = await modelsTrainedOn(ctx, project, replaced);
  const versions = await modelVersionsOf(
    ctx,
    trained.map((m) => m.loggedModel),
  );
  const models = trained.map((m): ModelAffected => ({
    ...m,
    versions: versions.filter((v) => v.logged_model_id === m.loggedModel).map((v) => ({ id: v.id, model: v.model, number: v.number })),
  }));
  // Records that nobody told of, whichever they are, follow the file that they name.
  const unheld = search.found.filter((f) => f.file.holders.length === 0 && replaced.has(f.file.digest)).map((f) => f.file.digest);
  for (let i = 0; i < unheld.length; i += NEEDLES) {
    const some = unheld.slice(i, i + NEEDLES);
    const follow = (text: string): string | undefined => {
      const next = some.reduce((t, digest) => t.replaceAll(digest, replaced.get(digest)!.digest), text);
      return next === text ? undefined : next;
    };
    await sweepTexts(ctx, some, follow, ['erasure_files']);
  }
  failpoint('governance.before-repointed');
  const folders = await ctx.tx(async (tx) => {
    await cleared.apply(tx);
    await repointViews(tx, project, replaced);
    const cacheEntries = await repointSteps(
      tx,
      project,
      replaced,
      cleared.versions.map((v) => v.logicalDigestBefore),
    );
    const { evaluations, folders: sealed } = await repointModels(tx, replaced);
    const logged = await repointLoggedModels(tx, replaced);
    await repointShipped(tx, project, replaced);
    await repointLabels(tx, project, replaced);
    await repointBaselines(tx, project, replaced);
    await replaceBlobs(
      tx,
      made
        .filter((f) => !search.shared.has(f.digest))
        .map((f) => ({ digest: f.digest, newDigest: f.newDigest, rowsRemoved: f.rowsRemoved, reason: erasure.id })),
    );
    await store.setApplied(tx.db, tx.workspace, erasure.id);
    const before = (await store.getErasure(tx.db, tx.workspace, erasure.id))!.findings;
    await store.updateErasure(tx.db, tx.workspace, erasure.id, ['rewriting'], {
      findings: {
        ...before,
        versions: [...(before.versions ?? []), ...cleared.versions],
        models: [...new Map([...(before.models ?? []), ...models].map((m) => [m.loggedModel, m])).values()],
        evaluations: [...new Set([...(before.evaluations ?? []), ...evaluations])],
        cacheEntries: (before.cacheEntries ?? 0) + cacheEntries,
      },
    });
    return [...sealed, ...logged];
  });
  failpoint('governance.after-repointed');
  await removeCopies(ctx, new Set(replaced.keys()), folders);
}

/** Takes the subject out of texts of records; what a record is named after may say what its value is. */
function redactFor(m: Matcher): Redact {
  const own = new Set(m.values.map(canonical));
  return (text, _json, row = {}) => {
    if (own.has(canonical(text)) && ['key', 'name'].some((k) => typeof row[k] === 'string' && isNamed(row[k], m))) return ERASED;
    try {
      const { value, changed } = clearJson(parseExactly(text), m);
      return changed ? writeExactly(value) : undefined;
    } catch {
      return clearWords(text, m);
    }
  };
}

async function clearPlaces(ctx: Ctx, { erasure, subject, report }: Work, links: Links): Promise<void> {
  const { project } = erasure;
  const m = matcherOf(ctx, subject, links);
  const made = await store.listMade(ctx.db, ctx.workspace, erasure.id);
  report({ what: 'clearing the inference log' });
  const segments = eraseFromSegments(ctx, project, subject, links.predictions);
  failpoint('governance.after-segments');
  report({ what: 'clearing the online store' });
  const online = await clearOnline(ctx, project, subject, new Map(made.map((f) => [f.digest, f.newDigest])));
  failpoint('governance.after-online');
  report({ what: 'clearing artifacts and folders' });
  const logs = await clearFiles(ctx, await pruneAttempts(ctx, project, true), subject, m, links, true);
  const others = new Set((await listProjectNames(ctx)).filter((p) => p !== project));
  const artifacts = await clearFiles(ctx, await artifactFiles(ctx, others), subject, m, links, true);
  await removeCopies(ctx, new Set(made.map((f) => f.digest)), []);
  failpoint('governance.after-artifacts');
  report({ what: 'clearing records' });
  const texts = await sweepTexts(ctx, m.values.flatMap(needlesOf), redactFor(m), NOT_TEXTS);
  report({ what: 'removing bytes from disk' });
  await purgePacks(ctx);
  const clean = await ctx.database.scrub();
  const places: PlaceCount[] = [
    { place: 'inference log (segments)', searched: segments.searched, rowsRemoved: segments.records },
    { place: 'online store', searched: 1, rowsRemoved: online.removed },
    { place: 'folders of attempts', searched: logs.searched, rowsRemoved: Math.max(logs.rowsRemoved, logs.files) },
    { place: 'artifacts', searched: artifacts.searched, rowsRemoved: artifacts.rowsRemoved },
    { place: 'records of the database', searched: texts.length, rowsRemoved: texts.reduce((sum, t) => sum + t.rows, 0) },
  ];
  const notCovered: NotCovered[] = [
    ...(artifacts.opaque.length + logs.opaque.length > 0 ? [opaqueEntry([...artifacts.opaque, ...logs.opaque])] : []),
    ...(clean && online.clean
      ? []
      : [
          {
            what: 'write-ahead log of a database',
            refs: [],
            why: 'a reader was using it, so it could not be emptied',
            action: 'it is emptied when the reader has ended; run gyre erase again to certify it',
          },
        ]),
  ];
  const before = await findingsOf(ctx, erasure.id);
  await ctx.tx((tx) =>
    store.updateErasure(tx.db, tx.workspace, erasure.id, ['clearing'], {
      findings: { ...before, places: addPlaces(before.places ?? [], places), notCovered },
    }),
  );
}

const opaqueEntry = (refs: readonly string[]): NotCovered => ({
  what: 'opaque files that hold the value',
  refs,
  why: 'they are neither a table nor a text, and cannot be changed without breaking them',
  action: 'delete or replace each of them by hand',
});

async function verify(ctx: Ctx, { erasure, revision, subject, report }: Work, links: Links): Promise<void> {
  const { project } = erasure;
  const m = matcherOf(ctx, subject, links);
  const again: typeof report = (p) => report({ ...p, what: 'looking again at everything' });
  const search = await findSubject(ctx, revision.definition, subject, links, nothingKnown(), again);
  const others = new Set((await listProjectNames(ctx)).filter((p) => p !== project));
  const artifacts = await clearFiles(ctx, await artifactFiles(ctx, others), subject, m, links, false);
  const left = [
    ...search.found.filter((f) => f.kind !== 'opaque' && !search.shared.has(f.file.digest)).map((f) => f.file.place),
    ...(predictionsAbout(ctx, project, subject).length > 0 ? ['inference log (segments)'] : []),
    ...(artifacts.files > 0 ? ['artifacts'] : []),
  ];
  if (left.length > 0) {
    // What came in between goes the same way.
    await ctx.tx((tx) => store.updateErasure(tx.db, tx.workspace, erasure.id, ['verifying'], { state: 'rewriting' }));
    fail('erasure-incomplete', { id: erasure.id, places: [...new Set(left)].join(', ') });
  }
  const unchanged = search.found.filter((f) => f.kind === 'opaque').map((f) => ({ ...f.file, name: `${f.file.place} ${f.file.digest}` }));
  const isCode = (f: { readonly place: string }): boolean => f.place === CODE;
  const code = unchanged.filter(isCode).map((f) => f.digest);
  const opaque = unchanged.filter((f) => !isCode(f)).map((f) => f.name);
  const shared = search.found.filter((f) => f.kind === 'table' && search.shared.has(f.file.digest)).map((f) => f.file.digest);
  let definitions = 0;
  const noted = (text: string): undefined => void (redactFor(m)(text, true) === undefined ? 0 : (definitions += 1));
  await sweepTexts(ctx, m.values.flatMap(needlesOf), noted, [], NOT_TEXTS);
  const events = await eventsWith(ctx.db, ctx.workspace, m.values.filter(isDistinctive));
  const before = await findingsOf(ctx, erasure.id);
  const notCovered: NotCovered[] = [
    ...(before.notCovered ?? []),
    ...(opaque.length > 0 ? [opaqueEntry(opaque)] : []),
    ...(code.length > 0
      ? [
          {
            what: 'code that names the subject',
            refs: code,
            why: 'code is what ran, and is named after its content',
            action: 'take the value out of the code; what ran before keeps it',
          },
        ]
      : []),
    ...(shared.length > 0
      ? [
          {
            what: 'files of another project',
            refs: shared,
            why: 'another project holds the same bytes',
            action: 'erase the subject there, too',
          },
        ]
      : []),
    ...(definitions > 0
      ? [
          {
            what: 'project definitions that name the subject',
            refs: [],
            why: 'a revision is what was applied, and is named after its content',
            action: 'take the value out of gyre.yaml and its files; what was applied before keeps it',
          },
        ]
      : []),
    ...(events > 0
      ? [
          {
            what: `${events} events`,
            refs: [],
            why: 'events are chained; somebody wrote the value into a name',
            action: 'none is possible without breaking the chain',
          },
        ]
      : []),
  ];
  const searched = [...search.searched].map(([place, n]): PlaceCount => ({ place, searched: n, rowsRemoved: 0 }));
  await ctx.tx((tx) =>
    store.updateErasure(tx.db, tx.workspace, erasure.id, ['verifying'], {
      findings: { ...before, places: addPlaces(searched, before.places ?? []), notCovered },
    }),
  );
}

async function dryRun(ctx: Ctx, { erasure, revision, subject, folder }: Work): Promise<void> {
  const places = await countPlaces(ctx, revision, subject, folder);
  await ctx.tx((tx) =>
    store.updateErasure(tx.db, tx.workspace, erasure.id, ['waiting'], {
      state: 'completed',
      findings: { places },
      sealedSubject: null,
      finishedMs: tx.clock.now(),
    }),
  );
}

/** Where rows of the subject are held, and how many. Changes nothing. */
export async function countPlaces(ctx: Ctx, revision: Revision, subject: Subject, folder: string): Promise<PlaceCount[]> {
  try {
    const links = await collectLinks(ctx, revision.definition, subject, folder);
    const search = await findSubject(ctx, revision.definition, subject, links);
    const others = new Set((await listProjectNames(ctx)).filter((p) => p !== revision.project));
    const m = matcherOf(ctx, subject, links);
    const artifacts = await clearFiles(ctx, await artifactFiles(ctx, others), subject, m, links, false);
    const rows = search.found.map((f): PlaceCount => ({
      place: f.file.place,
      searched: 0,
      rowsRemoved: f.kind === 'table' ? f.matching : 1,
    }));
    return addPlaces(
      [...search.searched].map(([place, searched]) => ({ place, searched, rowsRemoved: 0 })),
      rows,
      [
        { place: 'inference log (segments)', searched: 1, rowsRemoved: predictionsAbout(ctx, revision.project, subject).length },
        { place: 'artifacts', searched: artifacts.searched, rowsRemoved: artifacts.rowsRemoved },
      ],
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
