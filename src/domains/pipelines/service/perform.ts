// What each kind of step does when it misses the cache.
import { join } from 'node:path';
import { findBlobs, insertBlobs, storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { createToken, revokeToken } from '../../access/public.ts';
import { profileTable, stageFiles } from '../../datasets/public.ts';
import { realiseEnvironment } from '../../environments/public.ts';
import { buildTrainingTable } from '../../features/public.ts';
import { snapshotFiles, type EvaluateStep, type FeaturesStep, type RegisterStep, type RunStep } from '../../projects/public.ts';
import { decide, evaluate, registerVersion } from '../../registry/public.ts';
import {
  createRunForStep,
  experimentNamed,
  filesDigest,
  getLoggedModel,
  listLoggedModels,
  modelFiles,
  updateRun,
} from '../../tracking/public.ts';
import type { AttemptRequest, StagedFile, StepEngine } from '../engine.ts';
import { fail } from '../errors.ts';
import { substitute, treeDigest, type Outputs, type StepOutput, type StoredFile } from '../model.ts';
import * as store from '../store.ts';
import type { Step } from '../store.ts';
import { codeFiles, environmentOf, outputOf, scoreOutputOf, secretsOf, spineFor, type RunContext } from './key-parts.ts';

export interface Performed {
  readonly outputs: Outputs;
  readonly trackingRunId: string | null;
}

export async function performFeatures(ctx: Ctx, context: RunContext, step: FeaturesStep): Promise<Performed> {
  const { run, definition } = context;
  return buildTrainingTable(
    ctx,
    { definition, snapshot: run.snapshot, service: step.service, spine: spineFor(run, step.spine), slices: [], datasets: run.datasets },
    async (table, path) => {
      const [stored] = await storeBlobs(ctx, [{ path }]);
      const output: StepOutput = {
        kind: 'table',
        digest: table.digest,
        files: [{ path: 'part.parquet', ...stored! }],
        rows: table.rows,
        columns: table.columns,
        datasetVersions: table.datasetVersions,
        knownByUs: table.knownByUs,
      };
      return { outputs: { table: output }, trackingRunId: null };
    },
  );
}

export async function performEvaluate(ctx: Ctx, context: RunContext, step: EvaluateStep): Promise<Performed> {
  const { run, definition } = context;
  const model = outputOf(context, step.model);
  if (model.kind !== 'logged-model') return fail('step-failed', { step: step.name, why: `"${step.model}" is not a logged model` });
  const spine = spineFor(run, step.spine);
  return buildTrainingTable(
    ctx,
    { definition, snapshot: run.snapshot, service: step.service, spine, slices: step.slices, datasets: run.datasets },
    async (table, path) => {
      const trained = trainingCutoff(context);
      if (trained !== null && table.fromUs < trained)
        fail('step-failed', {
          step: step.name,
          why: 'its rows begin before the training cut-off, so the fit may have seen them; move "between" to later rows',
        });
      const evaluation = await evaluate(ctx, {
        loggedModelId: model.id,
        table: path,
        datasetVersion: run.datasets[spine.dataset]!,
        datasetVersions: table.datasetVersions,
        ...scoreOutputOf(definition, step.name),
        slices: step.slices,
        window: { fromUs: table.fromUs, toUs: table.toUs },
      });
      return {
        outputs: { evaluation: { kind: 'evaluation', id: evaluation.id, digest: evaluation.scoreTable.digest } },
        trackingRunId: null,
      };
    },
  );
}

/** The latest moment by which the labels of a training table of this run were known. */
function trainingCutoff({ steps }: RunContext): number | null {
  const cutoffs = steps
    .flatMap((s) => Object.values(s.outputs ?? {}))
    .flatMap((o) => (o.kind === 'table' && o.knownByUs !== null ? [o.knownByUs] : []));
  return cutoffs.length === 0 ? null : Math.max(...cutoffs);
}

export async function performRegister(ctx: Ctx, context: RunContext, step: RegisterStep): Promise<Performed> {
  const { run, definition, steps } = context;
  const from = outputOf(context, step.from);
  const evaluation = outputOf(context, step.evaluation);
  if (from.kind !== 'logged-model' || evaluation.kind !== 'evaluation')
    return fail('step-failed', { step: step.name, why: 'it needs a logged model and an evaluation' });
  const logged = await getLoggedModel(ctx, from.id);
  const maker = steps.find((s) => s.name === step.from.split('.')[0]);
  const makerDefinition = definition.pipelines[run.pipeline]!.steps.find((s) => s.name === maker?.name);
  const environment = makerDefinition?.kind === 'run' ? await environmentOf(ctx, context, makerDefinition.environment) : null;
  const table = steps.flatMap((s) => Object.values(s.outputs ?? {})).find((o) => o.kind === 'table');
  const baseline = table
    ? await profileTable(
        ctx,
        'the baseline profile',
        {
          files: await stageFiles(
            ctx,
            table.files.map((f) => f.digest),
          ),
        },
        table.columns.filter((c) => c.name !== 'row_key' && c.name !== 'at_us'),
      )
    : null;
  const model = definition.models[step.model];
  const version = await registerVersion(ctx, {
    model: step.model,
    loggedModelId: from.id,
    source: logged.artifactUri,
    trackingRunId: logged.sourceRunId,
    project: run.project,
    score: model?.score ?? null,
    baseline: table ? { rows: table.rows, columns: baseline } : null,
    evidence: {
      pipelineRun: run.id,
      step: maker?.name ?? '',
      projectRevision: run.revisionId,
      codeSnapshot: run.snapshot,
      ...(environment ? { environment: { digest: environment.resolved.digest, lockDigest: environment.resolved.lockDigest } } : {}),
      datasetVersions: table?.datasetVersions ?? [],
      parameters: run.params,
      evaluation: evaluation.id,
      ...(table ? { trainingTable: { digest: table.digest, rows: table.rows } } : {}),
      ...(table && table.knownByUs !== null ? { trainingCutoffUs: table.knownByUs } : {}),
    },
  });
  if (version.state === 'sealed') await decide(ctx, version, model?.gates ?? []);
  return { outputs: { version: { kind: 'model-version', id: version.id, digest: version.digest ?? version.id } }, trackingRunId: null };
}

export interface RunParts {
  readonly engine: StepEngine;
  /** Address of this server, for the tracking client of a step. */
  readonly serverUrl: () => string;
}

/** How long after the step's time-out its token still works, for what it sends at its end. */
const TOKEN_GRACE_MS = 60_000;

export async function performRun(
  ctx: Ctx,
  context: RunContext,
  definition: RunStep,
  step: Step,
  fence: number,
  parts: RunParts,
): Promise<Performed> {
  const { run } = context;
  const trackingRunId = step.trackingRunId ?? (await makeTrackingRun(ctx, context, step));
  for (let number = 1; ; number++) {
    const attempt = await openAttempt(ctx, step, number, fence);
    const { token, secret } = await createToken(ctx, {
      name: `step ${run.id} ${step.name}`,
      role: 'step',
      scope: { runId: run.id, trackingRunIds: [trackingRunId] },
      expiresMs: ctx.clock.now() + definition.timeoutMs + TOKEN_GRACE_MS,
    });
    const request = await requestFor(
      ctx,
      context,
      definition,
      attempt.id,
      fence,
      { MLFLOW_TRACKING_URI: parts.serverUrl(), MLFLOW_RUN_ID: trackingRunId, MLFLOW_EXPERIMENT_NAME: run.project, GYRE_RUN_ID: run.id },
      { MLFLOW_TRACKING_TOKEN: secret },
    );
    const outcome = await parts.engine.run(request, ctx.signal);
    await revokeToken(ctx, token.id);
    ctx.signal.throwIfAborted();
    await ctx.tx(async (tx) => {
      if (outcome.ok) await insertBlobs(tx, outcome.entries);
      await store.finishAttempt(
        tx.db,
        tx.workspace,
        attempt.id,
        outcome.ok ? 'succeeded' : outcome.reason === 'lost' ? 'lost' : 'failed',
        outcome,
        tx.clock.now(),
      );
    });
    if (outcome.ok) {
      await updateRun(ctx, trackingRunId, { status: 'FINISHED', endMs: ctx.clock.now() });
      return { outputs: await collect(ctx, definition, trackingRunId, outcome.outputs), trackingRunId };
    }
    if (outcome.reason === 'cancelled' || number > definition.retry) {
      await updateRun(ctx, trackingRunId, { status: outcome.reason === 'cancelled' ? 'KILLED' : 'FAILED', endMs: ctx.clock.now() });
      return fail('step-failed', { step: definition.name, why: outcome.detail });
    }
  }
}

async function makeTrackingRun(ctx: Ctx, { run }: RunContext, step: Step): Promise<string> {
  const id = await createRunForStep(ctx, {
    experimentId: await experimentNamed(ctx, run.project),
    name: `${run.pipeline}-${run.number}-${step.name}`,
    tags: [
      { key: 'gyre.pipeline_run', value: run.id },
      { key: 'gyre.step', value: step.name },
      { key: 'mlflow.source.type', value: 'PROJECT' },
      { key: 'mlflow.source.name', value: `${run.project}/${run.pipeline}` },
    ],
    edges: [{ from: { kind: 'tracking-run', id: '' }, to: { kind: 'pipeline-run', id: run.id }, relation: 'step-of' }],
  });
  await ctx.tx((tx) => store.updateStep(tx.db, tx.workspace, run.id, step.name, ['running'], { trackingRunId: id }));
  return id;
}

// After a crash the attempt that was running is gone on with, not begun again.
async function openAttempt(ctx: Ctx, step: Step, number: number, fence: number): Promise<store.Attempt> {
  const attempts = await store.listAttempts(ctx.db, ctx.workspace, step.runId, step.name);
  const open = attempts.find((a) => a.number === number);
  if (open) return open;
  const attempt: store.Attempt = {
    id: `${step.runId}-${step.name}-${number}`,
    runId: step.runId,
    step: step.name,
    number,
    fence,
    state: 'running',
    dir: join('attempts', step.runId, `${step.name}-${number}`),
    startedMs: ctx.clock.now(),
  };
  await ctx.tx((tx) => store.insertAttempt(tx.db, tx.workspace, attempt));
  return attempt;
}

export async function requestFor(
  ctx: Ctx,
  context: RunContext,
  definition: RunStep,
  attemptId: string,
  fence: number,
  variables: Record<string, string>,
  tokens: Record<string, string>,
): Promise<AttemptRequest> {
  const { run } = context;
  const environment = await environmentOf(ctx, context, definition.environment);
  const realised = environment ? await realiseEnvironment(ctx, environment.resolved, environment.text, environment.file) : null;
  const wanted: { path: string; digest: string }[] = Object.entries(codeFiles(definition, await snapshotFiles(ctx, run.snapshot))).map(
    ([path, digest]) => ({ path, digest }),
  );
  for (const ref of definition.inputs) {
    const output = outputOf(context, ref);
    const name = ref.split('.').at(-1) === ref ? ref : ref.replace('.', '-');
    const files: readonly StoredFile[] =
      output.kind === 'table' || output.kind === 'folder'
        ? output.files
        : output.kind === 'logged-model'
          ? (await modelFiles(ctx, output.id)).map((f) => ({ path: f.path, digest: f.digest, sizeBytes: f.size_bytes }))
          : [];
    wanted.push(...files.map((f) => ({ path: `in/${name}/${f.path}`, digest: f.digest })));
  }
  const entries = await findBlobs(
    ctx.db,
    ctx.workspace,
    wanted.map((w) => w.digest),
  );
  const files: StagedFile[] = wanted.map((w) => ({
    path: w.path,
    entry: entries.get(w.digest) ?? fail('step-failed', { step: definition.name, why: `the bytes of ${w.path} are not in the store` }),
  }));
  return {
    attemptId,
    fence,
    dir: join(ctx.settings.dir, 'attempts', run.id, `${definition.name}-${attemptId.split('-').at(-1)}`),
    command: substitute(definition.command, run.params, true),
    files,
    outputs: Object.entries(definition.outputs)
      .filter(([, kind]) => kind !== 'logged-model')
      .map(([name]) => name),
    variables: {
      ...Object.fromEntries(Object.entries(definition.env).map(([name, value]) => [name, substitute(value, run.params)])),
      ...variables,
    },
    secrets: { ...secretsOf(definition).values, ...tokens },
    bin: realised?.bin ?? null,
    timeoutMs: definition.timeoutMs,
  };
}

async function collect(
  ctx: Ctx,
  definition: RunStep,
  trackingRunId: string,
  made: Readonly<Record<string, readonly StoredFile[]>>,
): Promise<Outputs> {
  const outputs: Record<string, StepOutput> = {};
  for (const [name, kind] of Object.entries(definition.outputs)) {
    if (kind !== 'logged-model') {
      const files = made[name] ?? [];
      outputs[name] = { kind: 'folder', digest: treeDigest(files), files };
      continue;
    }
    const models = await listLoggedModels(ctx.db, ctx.workspace, {
      experimentIds: [],
      name,
      sourceRunId: trackingRunId,
      offset: 0,
      limit: 1,
    });
    const model =
      models.find((m) => m.status === 'LOGGED_MODEL_READY') ??
      fail('step-failed', {
        step: definition.name,
        why: `it ended well but logged no model named "${name}" (mlflow.<flavour>.log_model(..., name="${name}"))`,
      });
    outputs[name] = { kind: 'logged-model', id: model.id, digest: filesDigest(await modelFiles(ctx, model.id)) };
  }
  return outputs;
}
