// Models that are served as they are, given when the data plane starts: tensors in, tensors out, no columns, no features,
// no inference log. They stand beside the endpoints of the plan, which come first where both have a name.
import { isProblem } from '../../../kernel/errors.ts';
import type { Log } from '../../../kernel/log.ts';
import { openTensorRunner, type Patience, type QueueLimits, type TensorRunner } from '../batching/tensor-runner.ts';
import { fail } from '../errors.ts';
import { openTensors, type PythonSettings } from '../runtime/open-model.ts';
import { InputRefused } from '../runtime/python/python-model.ts';
import type { DenseTensor, RunParameters, TensorSession } from '../runtime/tensor-session.ts';
import type { ServingMetrics } from './serving-metrics.ts';

export interface WholeModelSource {
  readonly name: string;
  /** Any text; "1" if left out. */
  readonly version?: string;
  /** An ONNX file, or a folder with a `model.onnx` or an `MLmodel`. */
  readonly path: string;
  /** Python of the model's environment, for a model that is not of ONNX. */
  readonly interpreter?: string | undefined;
  /** A process of its own, however quick it is. */
  readonly process?: 'own';
}

export interface WholeModelsOptions extends QueueLimits {
  readonly log: Log;
  readonly metrics: ServingMetrics;
  readonly python?: PythonSettings | undefined;
  /** For tests: a row that takes longer does not run in this thread. */
  readonly inlineMs?: number;
}

/** What a run may say beside its tensors. */
export interface RunOptions extends Patience {
  /** Of the request, for models that take some; requests with others do not run together. */
  readonly parameters?: RunParameters;
}

export interface WholeModel {
  readonly name: string;
  /** The newest is last; it answers when no version is asked for. */
  readonly versions: readonly { readonly version: string; readonly session: TensorSession }[];
}

/** What is known of a version that was given at the start, loaded or not. */
interface KnownVersion {
  readonly name: string;
  readonly version: string;
  readonly loaded: boolean;
}

export interface WholeModels {
  readonly all: () => readonly WholeModel[];
  readonly find: (name: string) => WholeModel | undefined;
  readonly known: () => readonly KnownVersion[];
  /** Reads the files of a model anew; its old sessions answer until the new ones can. Raises what `openWholeModels` raises. */
  readonly load: (name: string) => Promise<void>;
  /** Takes a model out; what is under way is answered. */
  readonly unload: (name: string) => void;
  /** Raises `model-run-failed`, `serving-overloaded`, `serving-deadline-exceeded`, and `endpoint-not-served` if it was unloaded meanwhile. */
  readonly run: (
    model: WholeModel,
    version: string,
    inputs: readonly DenseTensor[],
    outputs: readonly string[],
    options?: RunOptions,
  ) => Promise<DenseTensor[]>;
  close(): Promise<void>;
}

/** The version that answers: the one asked for, or the newest. Raises `served-version-not-found`. */
export function wholeVersion({ name, versions }: WholeModel, version: string | undefined): string {
  if (version === undefined) return versions.at(-1)!.version;
  if (versions.some((v) => v.version === version)) return version;
  return fail('served-version-not-found', {
    endpoint: name,
    version: version.slice(0, 100),
    served: versions.map((v) => v.version),
  });
}

interface LoadedVersion {
  readonly version: string;
  readonly session: TensorSession;
  readonly runner: TensorRunner;
  retired: boolean;
}

/** Raises `onnx-unreadable` and `onnx-signature-unsupported`. */
export async function openWholeModels(sources: readonly WholeModelSource[], options: WholeModelsOptions): Promise<WholeModels> {
  const { log, metrics, inlineMs, python = {}, ...limits } = options;
  const models = new Map<string, { readonly name: string; readonly versions: readonly LoadedVersion[] }>();

  const retire = async (name: string): Promise<void> => {
    const versions = models.get(name)?.versions ?? [];
    for (const loaded of versions) {
      loaded.retired = true;
      metrics.unplaced(name, loaded.version);
    }
    for (const { runner } of versions) await runner.close();
  };

  const open = async ({ name, version = '1', path, interpreter, process }: WholeModelSource): Promise<LoadedVersion> => {
    const session = await openTensors(path, {
      ...{ log, name, interpreter, python },
      own: process === 'own',
      ...(inlineMs === undefined ? {} : { inlineMs }),
      ended: (why) => log.error({ event: 'serving.model.process-ended', model: name, modelVersion: version, why }),
    });
    const runner = await openTensorRunner(session, metrics.of(name, version).batch, limits);
    log.info({ event: 'serving.model.placed', model: name, modelVersion: version, ...session.placement, batched: runner.joins() });
    return { version, session, runner, retired: false };
  };

  const load = async (name: string): Promise<void> => {
    const versions: LoadedVersion[] = [];
    try {
      for (const source of sources.filter((s) => s.name === name)) versions.push(await open(source));
    } catch (error) {
      for (const { runner } of versions) await runner.close();
      throw error;
    }
    const old = retire(name);
    models.set(name, { name, versions: versions.sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true })) });
    for (const { version, session, runner } of versions) metrics.placed(name, version, session.placement, runner.state);
    await old;
  };

  // One that was resolved a moment ago may have been replaced since.
  const current = (model: WholeModel, version: string): LoadedVersion => {
    const given = (model.versions as readonly LoadedVersion[]).find((v) => v.version === version)!;
    if (!given.retired) return given;
    return models.get(model.name)?.versions.find((v) => v.version === version) ?? fail('endpoint-not-served', { endpoint: model.name });
  };

  for (const name of new Set(sources.map((s) => s.name))) await load(name);
  return {
    all: () => [...models.values()],
    find: (name) => models.get(name),
    known: () =>
      sources.map(({ name, version = '1' }) => ({
        name,
        version,
        loaded: models.get(name)?.versions.some((v) => v.version === version) ?? false,
      })),
    load,
    unload: (name) => {
      void retire(name);
      models.delete(name);
    },
    run: async (model, version, inputs, outputs, { parameters, ...patience } = {}) => {
      const { runner } = current(model, version);
      const of = metrics.of(model.name, version);
      const began = performance.now();
      if (patience.laps) {
        patience.laps.end('parse', began);
        patience.laps.metrics = of;
      }
      try {
        const results = await runner.run({ inputs, outputs, ...(parameters ? { parameters } : {}) }, patience);
        of.predicted(inputs[0]?.shape[0] ?? 1, (performance.now() - began) / 1000);
        return results;
      } catch (error) {
        if (isProblem(error) || patience.gone?.().aborted) throw error;
        of.failed(1);
        if (error instanceof InputRefused) return fail('model-input-refused', { model: model.name, why: error.message });
        log.warn({ event: 'serving.model.failed', model: model.name, modelVersion: version, error });
        return fail('model-run-failed', { endpoint: model.name, modelVersion: version });
      }
    },
    close: async () => {
      for (const name of models.keys()) await retire(name);
    },
  };
}
