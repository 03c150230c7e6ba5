// Loading and unloading while the data plane runs, of the models that it was given when it started. Nothing else can be loaded:
// a path that a caller names would be a way to any file of the machine.
import { fail } from '../errors.ts';
import type { ServingCaller } from '../http/protocol.ts';
import type { WholeModels } from './whole-models.ts';

/** `explicit` lets callers load and unload; `none` refuses both. */
export type ModelControl = 'none' | 'explicit';

export interface ModelRepository {
  readonly control: ModelControl;
  /** Every version that was given, loaded or not, that the caller may see. */
  readonly index: (caller: ServingCaller) => ReturnType<WholeModels['known']>;
  /** Raises `model-control-off`, `served-model-not-found`, `onnx-unreadable` and `onnx-signature-unsupported`. */
  readonly load: (caller: ServingCaller, name: string) => Promise<void>;
  /** Raises `model-control-off` and `served-model-not-found`. */
  readonly unload: (caller: ServingCaller, name: string) => Promise<void>;
}

export function openModelRepository(models: Pick<WholeModels, 'known' | 'load' | 'unload'>, control: ModelControl): ModelRepository {
  const loading = new Map<string, Promise<void>>();
  const index: ModelRepository['index'] = ({ endpoints }) =>
    models.known().filter(({ name }) => endpoints === '*' || endpoints.includes(name));

  const requireModel = (caller: ServingCaller, name: string): void => {
    // A token for some endpoints may ask them, and not take them from everybody else.
    if (control === 'none' || caller.endpoints !== '*' || models.known().length === 0) fail('model-control-off', {});
    if (!models.known().some((v) => v.name === name)) fail('served-model-not-found', { model: name.slice(0, 200) });
  };
  /** One after the other for each model, so that the last call has the last word. */
  const inTurn = (name: string, work: () => Promise<void> | void): Promise<void> => {
    const turn = (loading.get(name) ?? Promise.resolve()).catch(() => undefined).then(work);
    loading.set(name, turn);
    return turn.finally(() => {
      if (loading.get(name) === turn) loading.delete(name);
    });
  };
  return {
    control,
    index,
    load: async (caller, name) => {
      requireModel(caller, name);
      await inTurn(name, () => models.load(name));
    },
    unload: async (caller, name) => {
      requireModel(caller, name);
      await inTurn(name, () => models.unload(name));
    },
  };
}
