// Which runtime a model needs, by what is in its folder, and the session of it.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../../kernel/log.ts';
import { fail } from '../errors.ts';
import type { ModelSession } from './onnx-runtime.ts';
import { placeModel, placeTensors, type PlacementOptions } from './placement.ts';
import { openPythonModel, openPythonTensors, type PythonOptions } from './python/python-model.ts';
import type { WorkerLimits } from './python/worker-process.ts';
import type { TensorSession } from './tensor-session.ts';

export interface PythonSettings {
  /** Processes of one model. */
  readonly workers?: number;
  readonly limits?: Partial<WorkerLimits>;
}

export interface OpenOptions extends PlacementOptions {
  readonly log: Log;
  /** The model's name, for messages. */
  readonly name?: string;
  /** The interpreter of its environment; needed for a model of Python. */
  readonly interpreter?: string | undefined;
  readonly python?: PythonSettings;
}

/** A folder with a `model.onnx`, or a file, is of ONNX; any other folder with an MLmodel file is of Python. */
export const runtimeOf = (path: string): 'onnx' | 'python' =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() && !existsSync(join(path, 'model.onnx')) && existsSync(join(path, 'MLmodel'))
    ? 'python'
    : 'onnx';

function pythonOptions({ log, name, interpreter, python = {} }: OpenOptions): PythonOptions {
  if (interpreter === undefined) return fail('python-environment-missing', { why: 'nobody named an interpreter for it' });
  return { interpreter, log, ...(name === undefined ? {} : { name }), ...python };
}

/** A model of columns, warm. Raises what `placeModel` and `openPythonModel` raise, and `python-environment-missing`. */
export const openColumns = async (path: string, outputs: readonly string[], options: OpenOptions): Promise<ModelSession> =>
  runtimeOf(path) === 'python' ? openPythonModel(path, pythonOptions(options)) : placeModel(path, outputs, options);

/** A model of tensors, warm. Raises what `placeTensors` and `openPythonTensors` raise, and `python-environment-missing`. */
export const openTensors = async (path: string, options: OpenOptions): Promise<TensorSession> =>
  runtimeOf(path) === 'python' ? openPythonTensors(path, pythonOptions(options)) : placeTensors(path, options);
