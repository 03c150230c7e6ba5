// What each kind of step does when it misses the cache.
import { storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { profileTable, stageFiles } from '../../datasets/public.ts';
import { buildTrainingTable } from '../../features/public.ts';
import type { EvaluateStep, FeaturesStep, RegisterStep } from '../../projects/public.ts';
import { decide, evaluate, registerVersion } from '../../registry/public.ts';
import { getLoggedModel } from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import type { Outputs, StepOutput } from '../model.ts';
import { scoreOutputOf, spineFor } from './key-parts.ts';
import { environmentOf, outputOf, trainingCutoffOf, trainingTableOf, type RunContext } from './run-context.ts';

export interface Performed {
  readonly outputs: Outputs;
  /** What else is written in the transaction that records the step. */
  readonly record?: (tx: Ctx) => Promise<void>;
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
      return { outputs: { table: output } };
    },
  );
}

export async function performEvaluate(ctx: Ctx, context: RunContext, step: EvaluateStep): Promise<Performed> {
  const { run, definition } = context;
  const model = outputOf(context, step.model);
  if (model.kind !== 'logged-model') return fail('step-failed', { step: step.name, why: `"${step.model}" is not a logged model` });
  const spine = spineFor(run, step.spine);
  const maker = context.stepDefinitions.get(step.model.split('.')[0]!);
  const environment = maker?.kind === 'run' ? await environmentOf(ctx, context, maker.environment) : null;
  return buildTrainingTable(
    ctx,
    { definition, snapshot: run.snapshot, service: step.service, spine, slices: step.slices, datasets: run.datasets },
    async (table, path) => {
      const trained = trainingCutoffOf(context.steps, step.model.split('.')[0]!);
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
        ...(environment ? { environment: { digest: environment.resolved.digest, lockDigest: environment.resolved.lockDigest } } : {}),
      });
      return {
        outputs: { evaluation: { kind: 'evaluation', id: evaluation.id, digest: evaluation.scoreTable.digest } },
      };
    },
  );
}

export async function performRegister(ctx: Ctx, context: RunContext, step: RegisterStep): Promise<Performed> {
  const { run, definition, steps } = context;
  const from = outputOf(context, step.from);
  const evaluation = outputOf(context, step.evaluation);
  if (from.kind !== 'logged-model' || evaluation.kind !== 'evaluation')
    return fail('step-failed', { step: step.name, why: 'it needs a logged model and an evaluation' });
  const logged = await getLoggedModel(ctx, from.id);
  const maker = steps.get(step.from.split('.')[0]!);
  const makerDefinition = context.stepDefinitions.get(maker?.name ?? '');
  const environment = makerDefinition?.kind === 'run' ? await environmentOf(ctx, context, makerDefinition.environment) : null;
  const table = maker && trainingTableOf(steps, maker);
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
    // The model reads what the training table gives it, and never the answer.
    ...(table ? { columns: table.columns.filter((c) => !['row_key', 'at_us', 'label'].includes(c.name)) } : {}),
    baseline: table
      ? { rows: table.rows, columns: baseline, table: { files: table.files.map((f) => f.digest), columns: table.columns } }
      : null,
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
  return { outputs: { version: { kind: 'model-version', id: version.id, digest: version.digest ?? version.id } } };
}
