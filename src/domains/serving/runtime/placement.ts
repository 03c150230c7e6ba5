// Where a model runs. A run in the data plane's own thread costs nothing but itself, and holds up everybody else for as long as
// it takes; a process of its own costs about a tenth of a millisecond for each batch. So what warm-up measures decides.
import { setImmediate } from 'node:timers/promises';
import type { ModelSession } from './onnx-runtime.ts';
import { openModel, zeroColumn, type EngineOptions } from './onnx-runtime.ts';
import { openTensorSession, type DenseTensor, type TensorSession } from './tensor-session.ts';

export interface Placement {
  readonly where: 'inline' | 'process' | 'python';
  /** The median of the runs of one row in warm-up; null if the model would not run on zeros. */
  readonly rowMs: number | null;
  /** Batches at once. */
  readonly lanes: number;
  /** Rows of a batch. */
  readonly maxRows: number;
  /** Why not in this thread; empty otherwise. */
  readonly because: string;
}

export interface PlacementOptions {
  /** Asked for: a process of its own, whatever was measured. */
  readonly own?: boolean;
  readonly ended?: EngineOptions['ended'];
  /** For tests: a run of one row that takes longer does not go into this thread. */
  readonly inlineMs?: number;
}

/** The tag of a model version that asks for a process of its own, with the value "own". */
const PROCESS_TAG = 'gyre.serving.process';

/** What the tags of a version ask for. */
export const processOf = (tags: readonly { readonly key: string; readonly value: string }[]): 'own' | undefined =>
  tags.some((t) => t.key === PROCESS_TAG && t.value === 'own') ? 'own' : undefined;

/** For whoever asks after a model. */
export const describePlacement = (placement: Placement | undefined): string =>
  placement === undefined
    ? 'inline'
    : `${placement.where}${placement.rowMs === null ? '' : `, a row in ${placement.rowMs.toFixed(3)} ms`}${placement.because === '' ? '' : `: ${placement.because}`}`;

/** A worker costs 0.05 to 0.1 ms a batch; a run that is several times as long should not hold up its neighbours. */
const INLINE_MS = 0.3;
const RUNS = 100;
/** What a slow model may cost at its start. */
const MEASURE_MS = 30;
const MAX_ROWS = 256;

/** The median of the time of a call, which is made a few times beforehand; null if it throws. Higher ones say what else the machine does. */
export function measure(run: () => void): number | null {
  const taken: number[] = [];
  try {
    const began = performance.now();
    for (let i = 0; i < RUNS + 3; i++) {
      const before = performance.now();
      run();
      const after = performance.now();
      if (i >= 3 || after - began > MEASURE_MS) taken.push(after - before);
      if (after - began > MEASURE_MS) break;
    }
  } catch {
    return null;
  }
  taken.sort((a, b) => a - b);
  return taken[taken.length >> 1]!;
}

interface Placeable {
  readonly placement?: Placement;
  release(): Promise<void>;
}

async function place<S extends Placeable>(
  { own = false, inlineMs = INLINE_MS, ended }: PlacementOptions,
  open: (options: EngineOptions) => Promise<S>,
  warmUp: (session: S) => (() => void) | undefined,
): Promise<S> {
  const inProcess = async (rowMs: number | null, because: string): Promise<S> => ({
    ...(await open({ own: true, ...(ended ? { ended } : {}) })),
    placement: { where: 'process', rowMs, lanes: 1, maxRows: MAX_ROWS, because },
  });
  if (own) return inProcess(null, 'it was asked for');
  const here = await open({});
  // Loading held everybody up, and measuring will: whoever came meanwhile is answered in between.
  await setImmediate();
  const run = warmUp(here);
  const rowMs = run ? measure(run) : null;
  if (rowMs !== null && rowMs > inlineMs) {
    await here.release();
    return inProcess(rowMs, `a row took ${rowMs.toFixed(2)} ms, more than ${inlineMs} ms`);
  }
  return { ...here, placement: { where: 'inline', rowMs, lanes: 1, maxRows: MAX_ROWS, because: '' } };
}

/** Opens a model of columns where it should run, warm. `outputs` are those that it will be asked for. Raises what `openModel` raises. */
export const placeModel = (path: string, outputs: readonly string[], options: PlacementOptions = {}): Promise<ModelSession> =>
  place(
    options,
    (where) => openModel(path, where),
    (session) => {
      const asked = outputs.filter((name) => session.signature.outputs.some((o) => o.name === name));
      const column = zeroColumn(session);
      return asked.length === 0 ? undefined : () => void session.runNow!(1, column, asked);
    },
  );

/** The same for a model of tensors. Raises what `openTensorSession` raises. */
export const placeTensors = (path: string, options: PlacementOptions = {}): Promise<TensorSession> =>
  place(
    options,
    (where) => openTensorSession(path, where),
    (session) => {
      const inputs = tensorsLike(session, 1, () => 0);
      return () => void session.runNow!(inputs, outputNames(session));
    },
  );

export const outputNames = ({ signature }: TensorSession): string[] => signature.outputs.map((o) => o.name);

const arrays = {
  ...{ float32: Float32Array, float64: Float64Array, float16: Uint16Array, bool: Uint8Array, uint8: Uint8Array, int8: Int8Array },
  ...{ uint16: Uint16Array, int16: Int16Array, uint32: Uint32Array, int32: Int32Array },
};

/** Inputs of so many rows; what is variable beside the rows is one. */
export function tensorsLike({ signature }: TensorSession, rows: number, value: () => number): DenseTensor[] {
  return signature.inputs.map(({ name, type, shape }) => {
    const dims = shape.map((d, i) => (typeof d === 'number' ? d : i === 0 ? rows : 1));
    const length = dims.reduce((product, d) => product * d, 1);
    return { name, type, shape: dims, data: elements(type, length, value) };
  });
}

function elements(type: string, length: number, value: () => number): DenseTensor['data'] {
  if (type === 'string') return Array.from({ length }, () => String(value()));
  if (type === 'int64') return BigInt64Array.from({ length }, () => BigInt(Math.round(value())));
  if (type === 'uint64') return BigUint64Array.from({ length }, () => BigInt(Math.abs(Math.round(value()))));
  const Elements = arrays[type as keyof typeof arrays] ?? Float32Array;
  const filled = new Elements(length);
  // The bits of 1.0 and 0.0 as float16.
  for (let i = 0; i < length; i++)
    filled[i] = type === 'float16' ? (value() > 0.5 ? 0x3c00 : 0) : type === 'bool' ? Number(value() > 0.5) : value();
  return filled;
}
