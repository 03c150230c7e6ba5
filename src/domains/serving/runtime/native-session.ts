// A session of ONNX Runtime as the native part of its package has it: `run` returns when the model has run. The package's own
// `run` is no other call, behind setImmediate, three promises and an object of a class for each tensor, which for a small model cost
// half of what the model costs. This file alone knows the inside of the package; the tests beside it fail should that change.
import { createRequire } from 'node:module';
import type { InferenceSession } from 'onnxruntime-node';

/** A tensor on its way in or out. Texts are a list; float16 is its bits, bool 0 and 1. */
export interface EngineTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint | string | boolean>;
  /** On the way in: where the data lies. */
  readonly location?: 'cpu';
}

export type EngineTensors = Record<string, EngineTensor>;

/** A loaded model, here or in a process of its own. */
export interface EngineSession {
  readonly inputMetadata: InferenceSession['inputMetadata'];
  readonly outputMetadata: InferenceSession['outputMetadata'];
  /** Only of a model in this thread. What the model refuses is thrown as the runtime says it. */
  readonly runNow?: (feeds: EngineTensors, outputs: readonly string[]) => EngineTensors;
  readonly run: (feeds: EngineTensors, outputs: readonly string[]) => Promise<EngineTensors>;
  release(): Promise<void>;
}

interface NativeMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type: number;
  /** -1 where the dimension has a name, or none. */
  readonly shape: readonly number[];
  readonly symbolicDimensions: readonly string[];
}

interface NativeSession {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: object): void;
  readonly inputMetadata: readonly NativeMetadata[];
  readonly outputMetadata: readonly NativeMetadata[];
  run(feeds: object, fetches: object, options: object): EngineTensors;
  dispose(): void;
}

interface NativePackage {
  readonly binding: { readonly InferenceSession: new () => NativeSession };
  /** Once in a process, before anything else. */
  readonly initOrt: () => void;
}

// One thread without spinning: tabular models take microseconds, and a spinning pool burns a core while idle.
const options = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  logSeverityLevel: 4,
  extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
};

// By their numbers in onnx.proto.
const types: Readonly<Record<number, string>> = {
  ...{ 1: 'float32', 2: 'uint8', 3: 'int8', 4: 'uint16', 5: 'int16', 6: 'int32', 7: 'int64', 8: 'string', 9: 'bool', 10: 'float16' },
  ...{ 11: 'float64', 12: 'uint32', 13: 'uint64', 21: 'uint4', 22: 'int4' },
};

let native: NativePackage | undefined;

function loadPackage(): NativePackage {
  if (native) return native;
  native = createRequire(import.meta.url)('onnxruntime-node/dist/binding.js') as NativePackage;
  native.initOrt();
  return native;
}

/** Throws what the runtime says of a model that it cannot load. */
export function openNative(bytes: Uint8Array): EngineSession {
  const session = new (loadPackage().binding.InferenceSession)();
  session.loadModel(bytes.buffer, bytes.byteOffset, bytes.byteLength, options);
  const inputMetadata = metadataOf(session.inputMetadata);
  const outputMetadata = metadataOf(session.outputMetadata);
  const fetches = new Map<string, object>();
  const fetchesOf = (outputs: readonly string[]): object => {
    const key = outputs.length === 1 ? outputs[0]! : outputs.join('\0');
    let found = fetches.get(key);
    if (!found) {
      if (fetches.size > 100) fetches.clear();
      fetches.set(key, (found = Object.fromEntries(outputs.map((name) => [name, null]))));
    }
    return found;
  };
  const runNow = (feeds: EngineTensors, outputs: readonly string[]): EngineTensors => {
    for (const { name } of inputMetadata) if (feeds[name] === undefined) throw new Error(`the input "${name}" is missing`);
    return session.run(feeds, fetchesOf(outputs), {});
  };
  return {
    inputMetadata,
    outputMetadata,
    runNow,
    run: async (feeds, outputs) => runNow(feeds, outputs),
    release: async () => session.dispose(),
  };
}

function metadataOf(all: readonly NativeMetadata[]): InferenceSession['inputMetadata'] {
  return all.map(({ name, isTensor, type, shape, symbolicDimensions }) => {
    if (!isTensor) return { name, isTensor };
    const known = types[type];
    if (known === undefined) throw new Error(`"${name}" has elements of the type ${type}, which cannot be handed over`);
    return { name, isTensor, type: known, shape: shape.map((d, i) => (d === -1 ? symbolicDimensions[i]! : d)) };
  }) as InferenceSession['inputMetadata'];
}
