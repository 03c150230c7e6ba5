// What a command made, as outputs that the next steps' keys are built from.
import { insertBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { BlobEntry } from '../../../kernel/blobs/blob-store.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { inspectTable, stageFiles } from '../../datasets/public.ts';
import type { RunStep } from '../../projects/public.ts';
import { filesDigest, listLoggedModels, modelFiles } from '../../tracking/public.ts';
import type { AttemptOutcome } from '../engine.ts';
import { fail } from '../errors.ts';
import { treeDigest, type Outputs, type StepOutput, type StoredFile } from '../model.ts';

/** Raises `step-failed` if a declared model was not logged, or a declared table cannot be read. */
export async function collectOutputs(
  ctx: Ctx,
  definition: RunStep,
  trackingRunId: string,
  made: Extract<AttemptOutcome, { ok: true }>,
): Promise<Outputs> {
  const outputs: Record<string, StepOutput> = {};
  for (const [name, kind] of Object.entries(definition.outputs)) {
    const files = made.outputs[name] ?? [];
    if (kind === 'folder') outputs[name] = { kind: 'folder', digest: treeDigest(files), files };
    else if (kind === 'table') outputs[name] = await tableOf(ctx, definition.name, name, files, made.entries);
    else outputs[name] = await modelOf(ctx, definition.name, name, trackingRunId);
  }
  return outputs;
}

// A table is known by its rows, whatever wrote the file: the same rows again cut the steps after it off.
async function tableOf(
  ctx: Ctx,
  step: string,
  name: string,
  files: readonly StoredFile[],
  entries: readonly BlobEntry[],
): Promise<StepOutput> {
  const parquet = files.filter((f) => f.path.endsWith('.parquet'));
  if (parquet.length === 0) return fail('step-failed', { step, why: `out/${name} is declared a table and holds no .parquet file` });
  await ctx.tx((tx) => insertBlobs(tx, entries));
  const paths = await stageFiles(
    ctx,
    parquet.map((f) => f.digest),
  );
  const { columns, rows, digest } = await inspectTable(ctx, `the table out/${name} of step ${step}`, { files: paths });
  return { kind: 'table', digest, files, rows, columns, datasetVersions: [], knownByUs: null };
}

async function modelOf(ctx: Ctx, step: string, name: string, trackingRunId: string): Promise<StepOutput> {
  const models = await listLoggedModels(ctx.db, ctx.workspace, {
    experimentIds: [],
    name,
    sourceRunId: trackingRunId,
    offset: 0,
    limit: 100,
  });
  const model =
    models.find((m) => m.status === 'LOGGED_MODEL_READY') ??
    fail('step-failed', {
      step,
      why: `it ended well but logged no model named "${name}" (mlflow.<flavour>.log_model(..., name="${name}"))`,
    });
  return { kind: 'logged-model', id: model.id, digest: filesDigest(await modelFiles(ctx, model.id)) };
}
