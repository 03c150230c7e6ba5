// A folder of MLflow (./mlruns): YAML for what things are, a file for each metric, param and tag.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Settings } from '../../../kernel/config/settings.ts';
import { inOrder, type Point } from '../../../domains/transfers/public.ts';
import { fail } from '../errors.ts';
import { filesAt } from '../local-files.ts';
import type { Owner, Source, SourceExperiment, SourceLoggedModel, SourceMetric, SourceRun } from '../source.ts';
import { readModels } from './file-registry.ts';
import { filesBelow, folders, META, pairsIn, readMeta } from './folder.ts';
import { lifecycleOf, modelStatusOf, numberOrNull, pythonNumber, runStatusOf, text, textOrNull } from './words.ts';

/** Folders beside the runs of an experiment. */
const NO_RUNS = new Set(['tags', 'datasets', 'traces', 'models', 'artifacts']);

export interface FileStoreOptions {
  readonly artifacts?: string | undefined;
  readonly settings: () => Settings;
}

/** Raises `import-source-unknown`. */
export function openFileStore(root: string, { artifacts: artifactRoot, settings }: FileStoreOptions): Source {
  if (!existsSync(root) || !statSync(root).isDirectory()) fail('import-source-unknown', { given: root, why: 'there is no such folder' });
  const faults: string[] = [];
  const folderOfExperiment = new Map<string, string>();

  /** What is damaged is named and left out; the rest is read. */
  const orNote = <T>(what: string, read: () => T): T[] => {
    try {
      return [read()];
    } catch (error) {
      faults.push(`${what}: ${(error as Error).message}`);
      return [];
    }
  };

  const experimentsIn = (parent: string): SourceExperiment[] =>
    folders(parent)
      .filter((id) => /^\d+$/.test(id) || existsSync(join(parent, id, META)))
      .filter((id) => !id.startsWith('.') && !(parent === root && id === 'models'))
      .flatMap((id) =>
        orNote(join(parent, id), () => {
          const folder = join(parent, id);
          const meta = readMeta(folder);
          folderOfExperiment.set(id, folder);
          const createdMs = Number(meta.creation_time ?? 0);
          return {
            id,
            name: text(meta.name),
            artifactLocation: text(meta.artifact_location),
            lifecycle: lifecycleOf(meta.lifecycle_stage),
            createdMs,
            updatedMs: Number(meta.last_update_time ?? createdMs),
            tags: pairsIn(join(folder, 'tags')),
          };
        }),
      );

  const toRun = (experiment: SourceExperiment, folder: string, id: string): SourceRun => {
    const meta = readMeta(folder);
    if (text(meta.run_id ?? meta.run_uuid) !== id) throw new Error('it says that it is another run');
    const tags = pairsIn(join(folder, 'tags'));
    const links = [
      ...folders(join(folder, 'inputs')).map((i) => ({ meta: readMeta(join(folder, 'inputs', i)), role: 'input' as const })),
      ...folders(join(folder, 'outputs')).map((o) => ({ meta: readMeta(join(folder, 'outputs', o)), role: 'output' as const })),
    ];
    return {
      id,
      experimentId: experiment.id,
      name: text(meta.run_name) || text(tags.find((t) => t.key === 'mlflow.runName')?.value),
      userId: text(meta.user_id),
      status: runStatusOf(meta.status),
      startMs: numberOrNull(meta.start_time),
      endMs: numberOrNull(meta.end_time),
      lifecycle: lifecycleOf(meta.lifecycle_stage),
      deletedMs: numberOrNull(meta.deleted_time),
      artifactUri: text(meta.artifact_uri),
      params: pairsIn(join(folder, 'params')),
      tags,
      inputs: links
        .filter((l) => l.role === 'input' && l.meta.source_type === 'DATASET')
        .map((l) => inputOf(experiment.id, text(l.meta.source_id), l.meta.tags)),
      models: links
        .filter((l) => l.role === 'output' || l.meta.source_type === 'MODEL')
        .map((l) => ({
          id: text(l.role === 'output' ? l.meta.destination_id : l.meta.source_id),
          role: l.role,
          step: Number(l.meta.step ?? 0),
        })),
    };
  };

  const inputOf = (experimentId: string, id: string, tags: unknown) => {
    const dataset = readMeta(join(folderOfExperiment.get(experimentId)!, 'datasets', basename(id)));
    return {
      name: text(dataset.name),
      digest: text(dataset.digest),
      sourceType: text(dataset.source_type),
      source: text(dataset.source),
      schema: dataset.schema === null || dataset.schema === undefined ? null : text(dataset.schema),
      profile: dataset.profile === null || dataset.profile === undefined ? null : text(dataset.profile),
      tags: Object.entries((tags ?? {}) as Record<string, unknown>).map(([key, value]) => ({ key, value: text(value) })),
    };
  };

  const linesOf = (path: string): string[][] =>
    readFileSync(path, 'utf8')
      .split('\n')
      .filter((l) => l.trim() !== '')
      .map((l) => l.trim().split(' '));

  const runFolder = (run: SourceRun): string => join(folderOfExperiment.get(run.experimentId)!, run.id);
  const modelFolder = (m: SourceLoggedModel): string => join(folderOfExperiment.get(m.experimentId)!, 'models', m.id);

  const toModel = (experiment: SourceExperiment, id: string): SourceLoggedModel => {
    const folder = join(folderOfExperiment.get(experiment.id)!, 'models', id);
    const meta = readMeta(folder);
    const createdMs = Number(meta.creation_timestamp ?? 0);
    return {
      id,
      experimentId: experiment.id,
      name: text(meta.name),
      modelType: text(meta.model_type),
      sourceRunId: textOrNull(meta.source_run_id),
      status: modelStatusOf(meta.status),
      statusMessage: text(meta.status_message),
      artifactUri: text(meta.artifact_location),
      createdMs,
      updatedMs: Number(meta.last_updated_timestamp ?? createdMs),
      lifecycle: lifecycleOf(meta.lifecycle_stage),
      params: pairsIn(join(folder, 'params')),
      tags: pairsIn(join(folder, 'tags')),
      metrics: [...filesBelow(join(folder, 'metrics'))].flatMap(({ key, path }) =>
        linesOf(path).map((p) => ({
          key,
          value: pythonNumber(p[1]!),
          timestampMs: Number(p[0]),
          step: Number(p[2] ?? 0),
          runId: text(p[3]),
          datasetName: p[4] ?? null,
          datasetDigest: p[5] ?? null,
        })),
      ),
    };
  };

  return {
    origin: 'mlflow',
    place: root,
    faults,
    experiments: async () => [...experimentsIn(root), ...experimentsIn(join(root, '.trash'))],
    async *runs(experiment) {
      const folder = folderOfExperiment.get(experiment.id)!;
      for (const id of folders(folder))
        if (!NO_RUNS.has(id) && existsSync(join(folder, id, META)))
          yield* orNote(join(folder, id), () => toRun(experiment, join(folder, id), id));
    },
    async *metrics(run): AsyncGenerator<SourceMetric> {
      for (const { key, path } of filesBelow(join(runFolder(run), 'metrics'))) {
        const points = linesOf(path).map((p): Point => [Number(p[0]), Number(p.length === 2 ? 0 : (p[2] ?? 0)), pythonNumber(p[1]!)]);
        yield { key, points: inOrder(points) };
      }
    },
    async *loggedModels(experiment) {
      const folder = join(folderOfExperiment.get(experiment.id)!, 'models');
      for (const id of folders(folder))
        if (existsSync(join(folder, id, META))) yield* orNote(join(folder, id), () => toModel(experiment, id));
    },
    async *models() {
      yield* readModels(join(root, 'models'), orNote);
    },
    artifacts: async (owner: Owner) => {
      // The folder may have been moved since its locations were written.
      const beside = join(owner.kind === 'run' ? runFolder(owner.of) : modelFolder(owner.of), 'artifacts');
      const places = { root: artifactRoot, base: join(root, '..'), settings };
      const isRemote = /^(?!file:)[a-z][a-z0-9+.-]+:/i.test(owner.of.artifactUri);
      return filesAt(existsSync(beside) && !isRemote ? beside : owner.of.artifactUri, places);
    },
    leftOut: async () => {
      const all = [...folderOfExperiment.values()];
      const traces = all.reduce((sum, folder) => sum + folders(join(folder, 'traces')).length, 0);
      return traces === 0 ? {} : { traces };
    },
    close: async () => undefined,
  };
}
