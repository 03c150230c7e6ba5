// Models that are served as they are, given when the data plane starts: tensors in, tensors out, no columns, no features,
// no inference log. They stand beside the endpoints of the plan, which come first where both have a name.
import { isProblem } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';
import { openTensorSession, type DenseTensor, type TensorSession } from '../runtime/tensor-session.ts';
import type { ServingMetrics } from './serving-metrics.ts';

export interface WholeModelSource {
  readonly name: string;
  /** Any text; "1" if left out. */
  readonly version?: string;
  /** An ONNX file, or a folder with a `model.onnx`. */
  readonly path: string;
}

export interface WholeModel {
  readonly name: string;
  /** The newest is last; it answers when no version is asked for. */
  readonly versions: readonly { readonly version: string; readonly session: TensorSession }[];
}

/** What is known of a version that was given at the start, loaded or not. */
export interface KnownVersion {
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
  /** Raises `model-run-failed`. */
  readonly run: (model: WholeModel, version: string, inputs: readonly DenseTensor[], outputs: readonly string[]) => Promise<DenseTensor[]>;
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
  running: number;
  retired: boolean;
}

/** Raises `onnx-unreadable` and `onnx-signature-unsupported`. */
export async function openWholeModels(sources: readonly WholeModelSource[], metrics: ServingMetrics): Promise<WholeModels> {
  const models = new Map<string, { readonly name: string; readonly versions: readonly LoadedVersion[] }>();
  const retire = async (name: string): Promise<void> => {
    for (const loaded of models.get(name)?.versions ?? []) {
      loaded.retired = true;
      if (loaded.running === 0) await loaded.session.release();
    }
  };
  const load = async (name: string): Promise<void> => {
    const versions: LoadedVersion[] = [];
    try {
      for (const { version = '1', path } of sources.filter((s) => s.name === name))
        versions.push({ version, session: await openTensorSession(path), running: 0, retired: false });
    } catch (error) {
      for (const { session } of versions) await session.release();
      throw error;
    }
    const old = retire(name);
    models.set(name, { name, versions: versions.sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true })) });
    await old;
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
    run: async (model, version, inputs, outputs) => {
      const loaded = (model.versions as readonly LoadedVersion[]).find((v) => v.version === version)!;
      const labels = { endpoint: model.name, variant: version };
      const began = performance.now();
      loaded.running++;
      try {
        const results = await loaded.session.run(inputs, outputs);
        metrics.predicted(labels, inputs[0]?.shape[0] ?? 1, (performance.now() - began) / 1000);
        return results;
      } catch (error) {
        if (isProblem(error)) throw error;
        metrics.failed(labels, 1);
        return fail('model-run-failed', { endpoint: model.name, modelVersion: version });
      } finally {
        if (--loaded.running === 0 && loaded.retired) void loaded.session.release();
      }
    },
    close: async () => {
      for (const { versions } of models.values()) for (const { session } of versions) await session.release();
    },
  };
}
