// Retention, in event time. Of a dataset: rows of the current version that happened longer ago than it says, and all
// rows of versions that are not current and whose newest row is as old. Of an endpoint: records of its inference log,
// raw and shipped. Versions keep their ids, and what is gone leaves tombstones, as after an erasure.
import { purgePacks, replaceBlobs } from '../../../kernel/blobs/erase-blobs.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { usToIso } from '../../../kernel/timeline/timeline.ts';
import { clearVersions, countMatching, rewriteWithout, stageFiles, tableColumns } from '../../datasets/public.ts';
import { repointLabels } from '../../feedback/public.ts';
import { currentRevision, type DatasetDefinition, type Revision } from '../../projects/public.ts';
import { eraseOldFromSegments, repointShipped } from '../../serving/public.ts';
import { refuseWhileErasing, type Replaced, type Replacement } from '../../subjects/public.ts';
import { filesToSearch, type StoredFile } from './held.ts';
import { removeCopies } from './files.ts';

export interface Kept {
  readonly what: string;
  /** Rows that happened before this are gone. */
  readonly before: string;
  readonly files: number;
  readonly rows: number;
}

interface Rule {
  readonly what: string;
  readonly beforeUs: number;
  readonly files: readonly StoredFile[];
  /** True for rows that are too old. */
  readonly condition: (columns: readonly { readonly name: string }[]) => string | undefined;
}

/** Applies every "retention:" of a project, or with `dryRun` only counts. Raises `project-not-found`, `erasure-running`. */
export async function applyRetention(ctx: Ctx, project: string, dryRun: boolean): Promise<Kept[]> {
  const revision = await currentRevision(ctx, project);
  if (!dryRun) await refuseWhileErasing(ctx, project);
  const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  const kept: Kept[] = [];
  const rules = await rulesOf(ctx, revision, nowUs);
  const replaced = new Map<string, Replacement>();
  for (const rule of rules) {
    let [files, rows] = [0, 0];
    for (const found of await tooOld(ctx, rule)) {
      files += 1;
      rows += found.matching;
      if (dryRun || replaced.has(found.file.digest)) continue;
      const made = await rewriteWithout(ctx, found.path, found.columns, found.condition);
      replaced.set(found.file.digest, { ...made, removed: made.removed });
    }
    kept.push({ what: rule.what, before: usToIso(rule.beforeUs), files, rows });
  }
  for (const endpoint of Object.values(revision.definition.endpoints)) {
    if (endpoint.retentionUs === null) continue;
    const beforeUs = nowUs - endpoint.retentionUs;
    const { files, records } = eraseOldFromSegments(ctx, project, endpoint.name, beforeUs, dryRun);
    kept.push({ what: `segments of the inference log of ${endpoint.name}`, before: usToIso(beforeUs), files, rows: records });
  }
  if (!dryRun && replaced.size > 0) await apply(ctx, revision, replaced);
  const gone = kept.filter((k) => k.rows > 0);
  if (!dryRun && gone.length > 0)
    await ctx.tx((tx) =>
      tx.emit({
        type: 'retention.applied',
        subject: { kind: 'project', id: project },
        project,
        payload: { kept: gone },
        occurredUs: nowUs,
      }),
    );
  return kept;
}

async function rulesOf(ctx: Ctx, { project, definition }: Revision, nowUs: number): Promise<Rule[]> {
  const { files } = await filesToSearch(ctx, project);
  const rules: Rule[] = [];
  for (const dataset of Object.values(definition.datasets)) {
    if (dataset.retentionUs === null || dataset.occurredAt === null) continue;
    const beforeUs = nowUs - dataset.retentionUs;
    rules.push({
      what: `dataset ${dataset.name}`,
      beforeUs,
      files: files.filter((f) => f.holders.some((h) => h.dataset === dataset.name)),
      condition: () => occurredBefore(dataset, beforeUs),
    });
  }
  const spans = Object.values(definition.endpoints).flatMap((e) =>
    e.retentionUs === null ? [] : [{ name: e.name, beforeUs: nowUs - e.retentionUs }],
  );
  for (const { name, beforeUs } of spans)
    rules.push({
      what: `inference log of ${name}, and its labels`,
      beforeUs,
      files: files.filter((f) => f.holders.some((h) => h.place === 'inference log (shipped)' || h.place === 'joined labels')),
      condition: (columns) => {
        const has = (column: string): boolean => columns.some((c) => c.name === column);
        if (has('endpoint') && has('eventTimeUs')) return `endpoint = '${name.replaceAll("'", "''")}' and "eventTimeUs" < ${beforeUs}`;
        // A joined file is of one monitor; where the project has but one span its labels go with their predictions.
        return spans.length === 1 && has('prediction_id') && has('event_us') ? `event_us < ${beforeUs}` : undefined;
      },
    });
  return rules;
}

const occurredBefore = (dataset: DatasetDefinition, beforeUs: number): string =>
  `coalesce(epoch_us((${dataset.occurredAt}\n)::timestamp) < ${beforeUs}, false)`;

async function tooOld(ctx: Ctx, rule: Rule) {
  const paths = await stageFiles(
    ctx,
    rule.files.map((f) => f.digest),
  );
  const columns = await tableColumns(ctx, paths);
  const found = [];
  for (const [i, path] of paths.entries()) {
    const own = columns.get(path);
    const condition = own && rule.condition(own);
    if (!condition) continue;
    const { matching } = (await countMatching(ctx, [path], condition)).get(path)!;
    if (matching > 0) found.push({ file: rule.files[i]!, path, columns: own, condition, matching });
  }
  return found;
}

async function apply(ctx: Ctx, revision: Revision, replaced: Replaced): Promise<void> {
  const cleared = await clearVersions(ctx, revision, replaced, () => undefined);
  failpoint('governance.before-retention');
  await ctx.tx(async (tx) => {
    await cleared.apply(tx);
    await repointShipped(tx, revision.project, replaced);
    await repointLabels(tx, revision.project, replaced);
    await replaceBlobs(
      tx,
      [...replaced].map(([digest, by]) => ({ digest, newDigest: by.digest, rowsRemoved: by.removed, reason: 'retention' })),
    );
  });
  failpoint('governance.after-retention');
  await removeCopies(ctx, new Set(replaced.keys()), []);
  await purgePacks(ctx);
}
