// A model of ONNX Runtime as it is: any number of tensors of any shape in and out. A model whose inputs are columns is
// opened by onnx-runtime.ts instead.
import { fail } from '../errors.ts';
import type { EngineTensor, EngineTensors } from './native-session.ts';
import { openEngine, tensorsOf, type EngineOptions, type ModelSignature } from './onnx-runtime.ts';
import type { Placement } from './placement.ts';

/** A dense tensor: a typed array of the element type, or texts. FP16 is its bits in a Uint16Array, bool 0 and 1. */
export interface DenseTensor {
  readonly name: string;
  /** The name that ONNX Runtime has for it, such as `float32`. */
  readonly type: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number | bigint | string>;
  /** Its texts are JSON: lists and objects that a Python model returned. */
  readonly json?: boolean;
}

/** What a Python model returned: a table, named arrays, or one array. */
export type AnswerForm = 'records' | 'dict' | 'values';

export type RunParameters = Readonly<Record<string, unknown>>;

export interface TensorSession {
  readonly signature: ModelSignature;
  /** Where it runs; absent of one that was not placed, which runs in this thread. */
  readonly placement?: Placement;
  /** Known of a Python model: whether a row's answer is the same whatever runs beside it. Others are tried. */
  readonly rowWise?: boolean;
  /** Without a signature: any inputs by any names. */
  readonly takesAnything?: boolean;
  /** Inputs that may be left out. */
  readonly optional?: ReadonlySet<string>;
  /** The form of what a Python model returned last; null before it is known. */
  readonly answerForm?: () => AnswerForm | null;
  /** As `run`, of a session in this thread: it returns when the model has run. */
  readonly runNow?: (inputs: readonly DenseTensor[], outputs: readonly string[]) => DenseTensor[];
  /** What the model refuses is thrown as the runtime says it. `parameters` are those of the request, for models that take some. */
  run(inputs: readonly DenseTensor[], outputs: readonly string[], parameters?: RunParameters): Promise<DenseTensor[]>;
  release(): Promise<void>;
}

const held = /^(float16|float32|float64|u?int(8|16|32|64)|bool|string)$/;

/** Raises `onnx-unreadable` and `onnx-signature-unsupported`. */
export async function openTensorSession(path: string, where: EngineOptions = {}): Promise<TensorSession> {
  const engine = await openEngine(path, where);
  const signature = { inputs: tensorsOf(engine.inputMetadata), outputs: tensorsOf(engine.outputMetadata) };
  const strange = signature.inputs.find((input) => !held.test(input.type));
  const missing = engine.inputMetadata.find((m) => !m.isTensor);
  if (strange || missing) {
    await engine.release();
    return fail('onnx-signature-unsupported', {
      what: strange ? `Input "${strange.name}" is ${strange.type}.` : `Input "${missing!.name}" is not a tensor.`,
    });
  }
  const { runNow } = engine;
  return {
    signature,
    ...(runNow ? { runNow: (inputs, outputs) => read(runNow(feed(inputs), outputs), outputs) } : {}),
    run: async (inputs, outputs) => read(await engine.run(feed(inputs), outputs), outputs),
    release: () => engine.release(),
  };
}

function feed(inputs: readonly DenseTensor[]): EngineTensors {
  // Without a prototype an input may have any name, also "__proto__".
  const feeds = Object.create(null) as EngineTensors;
  for (const { name, type, shape, data } of inputs) {
    let length = 1;
    for (const dim of shape) length *= dim;
    // The runtime would read what lies behind the data.
    if (length !== data.length) throw new Error(`the input "${name}" has ${data.length} elements, its shape wants ${length}`);
    feeds[name] = { type, dims: shape, data, location: 'cpu' } satisfies EngineTensor;
  }
  return feeds;
}

const read = (results: EngineTensors, outputs: readonly string[]): DenseTensor[] =>
  outputs.map((name) => {
    const { type, dims, data } = results[name]!;
    return { name, type, shape: dims, data: bitsOf(data as DenseTensor['data']) };
  });

const bitsOf = (data: DenseTensor['data']): DenseTensor['data'] =>
  data instanceof Float16Array ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;
