// Erasure in pipelines: tables that steps made, the cache, the folders of ended attempts, and which models saw
// rows of the subject.
import type { Ctx } from '../../../kernel/ctx.ts';
import { revisionById, type ProjectDefinition } from '../../projects/public.ts';
import type { HeldFile, Replaced } from '../../subjects/public.ts';
import { treeDigest, type Outputs, type StepOutput } from '../model.ts';
import * as store from '../store/cleared.ts';

/** Files of tables and folders that steps made. */
export async function stepFiles(ctx: Ctx): Promise<HeldFile[]> {
  const definitions = new Map<string, ProjectDefinition>();
  const files: HeldFile[] = [];
  for (const made of await store.listMadeSteps(ctx.db, ctx.workspace)) {
    let definition = definitions.get(made.revisionId);
    if (!definition) definitions.set(made.revisionId, (definition = (await revisionById(ctx, made.revisionId)).definition));
    const steps = made.ownSteps ?? definition.pipelines[made.pipeline]?.steps ?? [];
    // A command may pass on the key of any training table of its pipeline.
    const spines = [
      ...new Set(
        steps.flatMap((s) =>
          s.kind === 'features' || s.kind === 'evaluate'
            ? [s.spine.dataset]
            : s.kind === 'predict' && s.on.kind === 'dataset'
              ? [s.on.dataset]
              : [],
        ),
      ),
    ];
    for (const output of Object.values(made.outputs))
      if (output.kind === 'table' || output.kind === 'folder')
        for (const file of output.files)
          files.push({
            digest: file.digest,
            place: made.kind === 'features' ? 'training table' : 'output of a step',
            project: made.project,
            spines,
          });
  }
  return files;
}

export interface AffectedModel {
  /** Id of the logged model. */
  readonly loggedModel: string;
  readonly pipelineRun: string;
  readonly step: string;
  /** Rows of the subject in the tables that it was trained on. */
  readonly rows: number;
  readonly datasetVersions: readonly string[];
}

/** Logged models made by steps whose inputs had rows that are gone. */
export async function modelsTrainedOn(ctx: Ctx, project: string, replaced: Replaced): Promise<AffectedModel[]> {
  const steps = (await store.listMadeSteps(ctx.db, ctx.workspace)).filter((s) => s.project === project);
  const rowsOf = new Map<string, { rows: number; versions: readonly string[] }>();
  for (const { outputs } of steps)
    for (const o of Object.values(outputs)) {
      if (o.kind !== 'table' && o.kind !== 'folder') continue;
      const rows = o.files.reduce((sum, f) => sum + (replaced.get(f.digest)?.removed ?? 0), 0);
      if (rows > 0) rowsOf.set(o.digest, { rows, versions: o.kind === 'table' ? o.datasetVersions : [] });
    }
  const found: AffectedModel[] = [];
  for (const s of steps) {
    const saw = s.inputs.map((digest) => rowsOf.get(digest)).filter((x) => x !== undefined);
    if (saw.length === 0) continue;
    const rows = saw.reduce((sum, x) => sum + x.rows, 0);
    for (const o of Object.values(s.outputs))
      if (o.kind === 'logged-model')
        found.push({
          loggedModel: o.id,
          pipelineRun: s.runId,
          step: s.step,
          rows,
          datasetVersions: [...new Set(saw.flatMap((x) => x.versions))],
        });
  }
  return found;
}

/** Points steps at what took their files' places, and drops every cache entry made from rows that are gone. Returns how many. */
export async function repointSteps(tx: Ctx, project: string, replaced: Replaced, logicalDigests: readonly string[]): Promise<number> {
  const steps = (await store.listMadeSteps(tx.db, tx.workspace)).filter((s) => s.project === project);
  const gone = new Set(logicalDigests);
  const stale = new Set<string>();
  for (const s of steps) {
    const outputs = Object.fromEntries(Object.entries(s.outputs).map(([name, o]) => [name, cleared(o, replaced)])) as Outputs;
    const changed = Object.entries(outputs).filter(([name, o]) => o !== s.outputs[name]);
    if (changed.length === 0) continue;
    for (const [name] of changed) gone.add(s.outputs[name]!.digest);
    if (s.cacheKey !== null) stale.add(s.cacheKey);
    await store.putOutputs(tx.db, tx.workspace, s.runId, s.step, outputs);
  }
  // What was made from what is gone, and what was made from that.
  for (let before = -1; before !== gone.size + stale.size;) {
    before = gone.size + stale.size;
    for (const s of steps) {
      if (!s.inputs.some((digest) => gone.has(digest))) continue;
      if (s.cacheKey !== null) stale.add(s.cacheKey);
      for (const o of Object.values(s.outputs)) gone.add(o.digest);
    }
  }
  return store.dropCached(tx.db, tx.workspace, [...stale]);
}

function cleared(output: StepOutput, replaced: Replaced): StepOutput {
  if (output.kind !== 'table' && output.kind !== 'folder') return output;
  if (!output.files.some((f) => replaced.has(f.digest))) return output;
  const files = output.files.map((f) => {
    const by = replaced.get(f.digest);
    return by ? { path: f.path, digest: by.digest, sizeBytes: by.sizeBytes } : f;
  });
  if (output.kind === 'folder') return { ...output, files, digest: treeDigest(files) };
  const removed = output.files.reduce((sum, f) => sum + (replaced.get(f.digest)?.removed ?? 0), 0);
  const only = output.files.length === 1 ? replaced.get(output.files[0]!.digest)!.logicalDigest : null;
  return { ...output, files, rows: output.rows - removed, digest: only ?? treeDigest(files) };
}

/** Runs of a project that have not ended: an erasure waits for them. */
export const openRuns = (ctx: Ctx, project: string): Promise<string[]> => store.listOpenRuns(ctx.db, ctx.workspace, project);

/** Folders of ended attempts, relative to the data folder. */
export const endedAttempts = (ctx: Ctx, project: string): Promise<string[]> => store.listEndedFolders(ctx.db, ctx.workspace, project);
