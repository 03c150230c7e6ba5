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

export interface WholeModels {
  readonly all: () => readonly WholeModel[];
  readonly find: (name: string) => WholeModel | undefined;
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

/** Raises `onnx-unreadable` and `onnx-signature-unsupported`. */
export async function openWholeModels(sources: readonly WholeModelSource[], metrics: ServingMetrics): Promise<WholeModels> {
  const models = new Map<string, { name: string; versions: { version: string; session: TensorSession }[] }>();
  for (const { name, version = '1', path } of sources) {
    const session = await openTensorSession(path);
    const model = models.get(name) ?? { name, versions: [] };
    models.set(name, model);
    model.versions.push({ version, session });
    model.versions.sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true }));
  }
  return {
    all: () => [...models.values()],
    find: (name) => models.get(name),
    run: async (model, version, inputs, outputs) => {
      const { session } = model.versions.find((v) => v.version === version)!;
      const labels = { endpoint: model.name, variant: version };
      const began = performance.now();
      try {
        const results = await session.run(inputs, outputs);
        metrics.predicted(labels, inputs[0]?.shape[0] ?? 1, (performance.now() - began) / 1000);
        return results;
      } catch (error) {
        if (isProblem(error)) throw error;
        metrics.failed(labels, 1);
        return fail('model-run-failed', { endpoint: model.name, modelVersion: version });
      }
    },
    close: async () => {
      for (const { versions } of models.values()) for (const { session } of versions) await session.release();
    },
  };
}
