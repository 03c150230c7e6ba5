// A step that scores rows into a new version of a dataset, with the runtime that serves.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { createVersion, filesOfVersion, stageFiles, versionBuiltAs, type DatasetVersion } from '../../datasets/public.ts';
import { revisionById, type PredictStep } from '../../projects/public.ts';
import { insertExternalRecords } from '../../serving/public.ts';
import type { AttemptOutcome } from '../engine.ts';
import type { Outputs } from '../model.ts';
import * as store from '../store/attempts.ts';
import type { Attempt } from '../store/attempts.ts';
import type { Step } from '../store/steps.ts';
import type { Performed } from './perform.ts';
import { scoringModel, targetOf, type ScoringModel } from './predict-parts.ts';
import type { RunContext } from './run-context.ts';
import { scoreTheRows, withRows, type Folder } from './score-step.ts';

/**
 * Idempotent: what is done again after a crash finds the version that was made, or makes it once. Raises
 * `row-not-scored`, `predictions-not-there`, what reading the rows and making the version raise.
 */
export async function performPredict(
  ctx: Ctx,
  context: RunContext,
  definition: PredictStep,
  step: Step,
  fence: number,
): Promise<Performed> {
  const attempt = await openAttempt(ctx, context, step, fence);
  const dir = join(ctx.settings.dir, attempt.dir);
  const folder: Folder = {
    path: (name) => join(dir, 'work', name),
    log: (line) => appendFile(join(dir, 'log.txt'), `${line}\n`),
  };
  await mkdir(join(dir, 'work'), { recursive: true });
  const began = performance.now();
  const settle = async (outcome: AttemptOutcome): Promise<void> => {
    await rm(join(dir, 'work'), { recursive: true, force: true });
    await ctx.tx((tx) =>
      store.finishAttempt(tx.db, tx.workspace, attempt.id, outcome.ok ? 'succeeded' : 'failed', outcome, tx.clock.now()),
    );
  };
  try {
    const outputs = await scored(ctx, context, definition, step, folder);
    await settle({ ok: true, outputs: {}, entries: [], wallMs: performance.now() - began });
    return { outputs };
  } catch (error) {
    // A server that stops looks away, and the next one goes on with the attempt.
    if (ctx.signal.aborted || !isProblem(error)) throw error;
    await folder.log(error.message);
    await settle({ ok: false, reason: 'failed', detail: error.message, exitCode: null });
    throw error;
  }
}

async function openAttempt(ctx: Ctx, { run }: RunContext, step: Step, fence: number): Promise<Attempt> {
  const attempts = await store.listAttempts(ctx.db, ctx.workspace, run.id, step.name);
  const open = attempts.find((a) => a.state === 'running' && a.number > step.earlierAttempts);
  if (open) return open;
  const number = (attempts.at(-1)?.number ?? 0) + 1;
  const attempt: Attempt = {
    id: `${run.id}-${step.name}-${number}`,
    runId: run.id,
    step: step.name,
    number,
    fence,
    state: 'running',
    dir: join('attempts', run.id, `${step.name}-${number}`),
    outcome: null,
    startedMs: ctx.clock.now(),
    finishedMs: null,
  };
  await ctx.tx((tx) => store.insertAttempt(tx.db, tx.workspace, attempt));
  return attempt;
}

async function scored(ctx: Ctx, context: RunContext, definition: PredictStep, step: Step, folder: Folder): Promise<Outputs> {
  const { run } = context;
  const key = step.cacheKey!;
  const target = targetOf(context, definition);
  const model = await scoringModel(ctx, context, definition, step.keyParts!);
  const before = await versionBuiltAs(ctx, run.project, target.name, key);
  let version: DatasetVersion;
  if (before && !run.noCache) {
    version = await putInPlace(ctx, context, definition, key, model, before);
    await folder.log(`${target.name} version ${version.number} has these scores already`);
  } else {
    // What a crash has left there is in the way of what is written now.
    await rm(folder.path('.'), { recursive: true, force: true });
    await mkdir(folder.path('.'), { recursive: true });
    version = await withRows(ctx, context, definition, model, folder, async (rows, path) => {
      const made = await scoreTheRows(ctx, context, definition, model, folder, { ...rows, path });
      failpoint('pipelines.before-scores');
      const [stored] = await storeBlobs(ctx, [{ path: made.scores }]);
      // Written whole before the version is there, sent once it is; what is left of a crash is sent then.
      if (made.records !== null) await rename(made.records, folder.path('to-send.parquet'));
      const files = [{ path: `${target.name}.parquet`, digest: stored!.digest }];
      const created = await makeVersion(ctx, context, definition, key, model, rows.datasetVersions, files);
      failpoint('pipelines.after-scores');
      const perSecond = Math.round(rows.rows / (made.scoringMs / 1000));
      await folder.log(
        `${rows.rows} rows scored in ${(made.scoringMs / 1000).toFixed(1)} s (${perSecond} rows/s) with ${definition.model} ${model.label} into ${target.name} version ${created.number}`,
      );
      return created;
    });
  }
  if (definition.monitor !== null && existsSync(folder.path('to-send.parquet'))) await send(ctx, context, definition.monitor, key, folder);
  const files = await filesOfVersion(ctx, version);
  return {
    table: {
      kind: 'table',
      digest: version.logicalDigest,
      files: files.map(({ path, digest, sizeBytes }) => ({ path, digest, sizeBytes })),
      rows: version.rows,
      columns: version.columns,
      // Rows that a model made are no training table of others.
      datasetVersions: [],
      knownByUs: null,
    },
    version: { kind: 'dataset-version', id: version.id, digest: version.logicalDigest },
  };
}

/** The scores of before as the current version: the same one while it is, else a new one of the same files. */
async function putInPlace(
  ctx: Ctx,
  context: RunContext,
  definition: PredictStep,
  key: string,
  model: ScoringModel,
  before: DatasetVersion,
): Promise<DatasetVersion> {
  if (before.state === 'current') return before;
  const files = (await filesOfVersion(ctx, before)).map(({ path, digest }) => ({ path, digest }));
  return makeVersion(ctx, context, definition, key, model, before.inputs, files);
}

async function makeVersion(
  ctx: Ctx,
  context: RunContext,
  definition: PredictStep,
  key: string,
  model: ScoringModel,
  inputs: readonly string[],
  files: readonly { path: string; digest: string }[],
): Promise<DatasetVersion> {
  const { version } = await createVersion(ctx, {
    revision: await revisionById(ctx, context.run.revisionId),
    definition: targetOf(context, definition),
    files,
    build: { key, inputs, from: [{ to: model.ref, relation: 'scored-by' }] },
  });
  return version;
}

/** Sends the scored rows to a monitor as predictions; those that it has already are not taken again. */
async function send(ctx: Ctx, { run }: RunContext, monitor: string, key: string, folder: Folder): Promise<void> {
  const path = folder.path('to-send.parquet');
  const taken = await insertExternalRecords(ctx, {
    project: run.project,
    monitor,
    path,
    format: 'parquet',
    digest: createHash('sha256').update(`${key} ${run.id}`).digest('hex'),
    stage: (digests) => stageFiles(ctx, digests),
  });
  await folder.log(
    `${taken.accepted} rows sent to monitor ${monitor}${taken.duplicates > 0 ? `, which had ${taken.duplicates} more already` : ''}`,
  );
  failpoint('pipelines.after-records');
}
