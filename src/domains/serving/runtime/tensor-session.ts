// A model of ONNX Runtime as it is: any number of tensors of any shape in and out. A model whose inputs are columns is
// opened by onnx-runtime.ts instead.
import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { fail } from '../errors.ts';
import { openSession, tensorsOf, type ModelSignature } from './onnx-runtime.ts';

/** A dense tensor: a typed array of the element type, or texts. FP16 is its bits in a Uint16Array, bool 0 and 1. */
export interface DenseTensor {
  readonly name: string;
  /** The name that ONNX Runtime has for it, such as `float32`. */
  readonly type: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number | bigint | string>;
}

export interface TensorSession {
  readonly signature: ModelSignature;
  /** What the model refuses is thrown as the runtime says it. */
  run(inputs: readonly DenseTensor[], outputs: readonly string[]): Promise<DenseTensor[]>;
  release(): Promise<void>;
}

const held = /^(float16|float32|float64|u?int(8|16|32|64)|bool|string)$/;

/** Raises `onnx-unreadable` and `onnx-signature-unsupported`. */
export async function openTensorSession(path: string): Promise<TensorSession> {
  const { ort, session } = await openSession(path);
  const signature = { inputs: tensorsOf(session.inputMetadata), outputs: tensorsOf(session.outputMetadata) };
  const strange = signature.inputs.find((input) => !held.test(input.type));
  const missing = session.inputMetadata.find((m) => !m.isTensor);
  if (strange || missing) {
    await session.release();
    return fail('onnx-signature-unsupported', {
      what: strange ? `Input "${strange.name}" is ${strange.type}.` : `Input "${missing!.name}" is not a tensor.`,
    });
  }
  return {
    signature,
    run: async (inputs, outputs) => {
      const feeds: Record<string, OrtTensor> = Object.create(null) as Record<string, OrtTensor>;
      for (const input of inputs) feeds[input.name] = tensorOf(ort, input);
      const results: InferenceSession.OnnxValueMapType = await session.run(feeds, outputs);
      return outputs.map((name) => {
        const { type, dims, data } = results[name] as OrtTensor;
        return { name, type, shape: dims, data: bitsOf(data as DenseTensor['data']) };
      });
    },
    release: () => session.release(),
  };
}

function tensorOf(ort: typeof import('onnxruntime-node'), { type, shape, data }: DenseTensor): OrtTensor {
  const tensor = new ort.Tensor(type as 'float32', data as Float32Array, shape as number[]) as OrtTensor;
  // Where the engine has Float16Array the package makes one of the bits, which its own native part then cannot read.
  if (type === 'float16') Object.defineProperty(tensor, 'data', { value: data });
  return tensor;
}

const bitsOf = (data: DenseTensor['data']): DenseTensor['data'] =>
  data instanceof Float16Array ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;
