// A model of MLflow that is not ONNX, as the sessions that the data plane knows: columns for an endpoint, tensors for a model
// that is served as it is. Both are a pool of processes in the model's own environment.
import type { Log } from '../../../../kernel/log.ts';
import { fail } from '../../errors.ts';
import type { ColumnValues, ElementType, ModelInput, ModelSession, ModelTensor, OutputColumn } from '../onnx-runtime.ts';
import type { Placement } from '../placement.ts';
import type { AnswerForm, DenseTensor, TensorSession } from '../tensor-session.ts';
import { decodeOutputs, encodeFrame, numberPart, tensorPart, textPart, type DescribedOutput, type Frame, type Part } from './frames.ts';
import { columnSignature, PREDICTIONS, readModelFolder, signatureOf, type ModelFolder } from './mlmodel.ts';
import { openWorkerPool, type PoolState, type WorkerPool } from './worker-pool.ts';
import { defaultLimits, type WorkerLimits } from './worker-process.ts';

export interface PythonOptions {
  readonly interpreter: string;
  readonly log: Log;
  /** The model's name, for messages. */
  readonly name?: string;
  readonly workers?: number;
  readonly limits?: Partial<WorkerLimits>;
  /** For tests: see the pool. */
  readonly firstRestMs?: number;
}

/** What the caller sent does not fit the model: meant for the caller, who is answered with 400. */
export class InputRefused extends Error {}

const MAX_ROWS = 1024;

interface Opened {
  readonly pool: WorkerPool;
  readonly model: ModelFolder;
  readonly placement: Placement;
  readonly rowWise: boolean;
  run(header: Readonly<Record<string, unknown>>, parts: readonly Part[]): Promise<{ outputs: DenseTensor[]; form: AnswerForm }>;
}

async function open(
  folder: string,
  { interpreter, log, name = 'model', workers = 1, limits = {}, firstRestMs }: PythonOptions,
): Promise<Opened> {
  const model = readModelFolder(folder);
  const pool = await openWorkerPool({
    name,
    folder,
    model,
    interpreter,
    workers,
    limits: { ...defaultLimits, ...limits },
    log,
    firstRestMs,
  });
  const { ready } = pool;
  log.info({ event: 'serving.python.ready', model: name, python: ready.python, mlflow: ready.mlflow, loadMs: ready.loadMs });
  if (ready.warmUpFailed) log.warn({ event: 'serving.python.warm-up-failed', model: name, why: ready.warmUpFailed });
  return {
    pool,
    model,
    placement: { where: 'python', rowMs: ready.rowMs, lanes: workers, maxRows: MAX_ROWS, because: 'it is no model of ONNX' },
    rowWise: ready.rowWise ?? false,
    run: async (header, parts) => answerOf(await pool.run(encodeFrame({ do: 'run', id: 0, ...header }, parts)), name, log),
  };
}

function answerOf({ header, body }: Frame, name: string, log: Log): { outputs: DenseTensor[]; form: AnswerForm } {
  if (header.do === 'done') return { outputs: decodeOutputs(header.outputs as DescribedOutput[], body), form: header.form as AnswerForm };
  const why = String(header.why);
  if (header.kind === 'input') throw new InputRefused(why);
  log.warn({ event: 'serving.python.raised', model: name, why, trace: header.trace });
  throw new Error(header.kind === 'memory' ? 'the model needs more memory than it may use' : why);
}

/** The one output of a model that has one answers to whatever the endpoint calls its score. */
const outputNamed = (outputs: readonly DenseTensor[], name: string): DenseTensor | undefined =>
  outputs.find((o) => o.name === name) ?? (outputs.length === 1 ? outputs[0] : undefined);

const seenOutputs = (model: ModelFolder, pool: WorkerPool): ModelTensor[] =>
  signatureOf(model.spec).outputs ??
  pool.ready.outputs?.map(([name, type, shape]) => ({ name, type, shape: ['N', ...shape.slice(1)] })) ?? [
    { name: PREDICTIONS, type: 'float64', shape: ['N'] },
  ];

export type PythonSession<S> = S & { readonly workers: () => PoolState };

/**
 * A model whose inputs are columns. Raises `python-model-unreadable`, and `onnx-signature-unsupported` for a signature without
 * named columns.
 */
export async function openPythonModel(folder: string, options: PythonOptions): Promise<PythonSession<ModelSession>> {
  const signature = columnSignature(readModelFolder(folder).spec);
  if (typeof signature === 'string') return fail('python-model-unreadable', { why: signature });
  const opened = await open(folder, options);
  const inputs = signature.inputs.map(({ name, type, shape }): ModelInput => ({
    name,
    type: type as ElementType,
    rank: shape.length as 1 | 2,
  }));
  const groups = groupsOf(inputs);
  return {
    inputs,
    signature: { inputs: signature.inputs, outputs: seenOutputs(opened.model, opened.pool), soleScore: true },
    batches: opened.rowWise,
    aside: true,
    placement: opened.placement,
    run: async (rows, column, wanted) => {
      const { outputs } = await opened.run(
        { rows },
        groups.map(({ type, indexes }) => columnsPart(type, indexes, rows, column)),
      );
      const made = new Map<string, OutputColumn>();
      for (const name of wanted) {
        const output = outputNamed(outputs, name);
        if (!output) throw new Error(`the model returned no "${name}" (it returned: ${outputs.map((o) => o.name).join(', ')})`);
        const { type, shape, data } = output;
        if (shape[0] !== rows) throw new Error(`the model returned ${shape[0]} rows for ${rows}`);
        made.set(name, { type, shape, width: rows === 0 ? 0 : data.length / rows, values: data });
      }
      return made;
    },
    release: () => opened.pool.close(),
    workers: opened.pool.state,
  };
}

/** Columns of one type travel as one block. */
function groupsOf(inputs: readonly ModelInput[]): { readonly type: ElementType; readonly indexes: number[] }[] {
  const groups = new Map<ElementType, number[]>();
  inputs.forEach(({ type }, i) => {
    const group = groups.get(type);
    if (group) group.push(i);
    else groups.set(type, [i]);
  });
  return [...groups].map(([type, indexes]) => ({ type, indexes }));
}

function columnsPart(type: ElementType, indexes: readonly number[], rows: number, column: (input: number) => ColumnValues): Part {
  const shape = [indexes.length, rows];
  const columns = indexes.map((i) => column(i));
  if (type === 'string')
    return textPart(
      indexes,
      shape,
      columns.flatMap((values) => Array.from({ length: rows }, (_, r) => (values[r] ?? null) as string | null)),
    );
  const value: (v: ColumnValues[number]) => number | bigint =
    type === 'int64' ? (v) => BigInt(v as number) : type === 'bool' ? (v) => (v ? 1 : 0) : (v) => Number(v ?? Number.NaN);
  return numberPart(type, indexes, shape, rows * indexes.length, (into) => {
    let at = 0;
    for (const values of columns) for (let r = 0; r < rows; r++) into[at++] = value(values[r]!);
  });
}

/** A model as it is. Raises `python-model-unreadable`. */
export async function openPythonTensors(folder: string, options: PythonOptions): Promise<PythonSession<TensorSession>> {
  const opened = await open(folder, options);
  const declared = signatureOf(opened.model.spec);
  const entries = opened.model.spec.signature?.inputs ?? [];
  const names = declared.inputs?.map((i) => i.name);
  let outputs: readonly ModelTensor[] = seenOutputs(opened.model, opened.pool);
  let isKnown = declared.outputs !== null || opened.pool.ready.outputs !== null;
  let form: AnswerForm | null = opened.pool.ready.form;
  return {
    get signature() {
      return { inputs: declared.inputs ?? [], outputs };
    },
    placement: opened.placement,
    rowWise: opened.rowWise,
    takesAnything: names === undefined,
    optional: new Set(entries.flatMap((e, i) => (e.required === false ? [names![i]!] : []))),
    answerForm: () => form,
    run: async (inputs, wanted, parameters) => {
      const own = names ?? inputs.map((i) => i.name);
      const header = { rows: inputs[0]?.shape[0] ?? 0, ...(names ? {} : { names: own }), ...(parameters ? { params: parameters } : {}) };
      const given = await opened.run(
        header,
        inputs.map((input) => {
          const at = own.indexOf(input.name);
          if (at < 0) throw new InputRefused(`there is no input "${input.name.slice(0, 100)}"; the model has ${own.join(', ')}`);
          return tensorPart(input, at);
        }),
      );
      form = given.form;
      if (!isKnown) {
        isKnown = true;
        outputs = given.outputs.map(({ name, type, shape }) => ({ name, type, shape: ['N', ...shape.slice(1)] }));
      }
      // Who asked could not know the names, which may be others for another form of input.
      if (declared.outputs === null && (wanted.length === 0 || !wanted.every((name) => given.outputs.some((o) => o.name === name))))
        return given.outputs;
      return wanted.map((name) => {
        const output = outputNamed(given.outputs, name);
        if (!output) throw new Error(`the model returned no "${name}" (it returned: ${given.outputs.map((o) => o.name).join(', ')})`);
        return output.name === name ? output : { ...output, name };
      });
    },
    release: () => opened.pool.close(),
    workers: opened.pool.state,
  };
}
