// What stands behind a model's name, in the words of the protocol: an endpoint of the plan, whose inputs are columns with one
// element per row, or a model that is served as it is.
import {
  describePlacement,
  predictionHeaders,
  refuseBody,
  wholeVersion,
  type Exchange,
  type LiveEndpoint,
  type Plane,
  type PredictedRow,
  type Row,
  type WholeModel,
} from '../../domains/serving/data-plane.ts';
import { datatypeOf, typeOf, fixedWidth, halfOf, type Tensor } from './datatypes.ts';

export interface TensorSpec {
  readonly name: string;
  readonly datatype: string;
  /** -1 is any length. */
  readonly shape: readonly number[];
}

export interface Inferred {
  /** Absent when rows of one request went to several. */
  readonly version?: string;
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly outputs: readonly Tensor[];
}

export interface Served {
  readonly name: string;
  readonly versions: readonly string[];
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly properties: Readonly<Record<string, string>>;
  readonly platform: 'onnxruntime_onnx' | 'mlflow_pyfunc';
  /** Runs at once. */
  readonly lanes: number;
  /** The names under which the answers of a version are counted. */
  readonly variantsOf: (version: string) => readonly string[];
  /** Inputs are columns: null is a missing value, and any numeric datatype does that can hold the values. */
  readonly columns: boolean;
  /** `parameters` are those of the request: a model in Python may take some. */
  readonly infer: (
    exchange: Exchange,
    tensors: readonly Tensor[],
    outputs: readonly string[],
    parameters?: Readonly<Record<string, unknown>>,
  ) => Promise<Inferred>;
}

/** Raises `endpoint-not-served` and `served-version-not-found`. */
export function servedOf(plane: Plane, caller: Exchange['caller'], name: string, version: string | undefined): Served {
  const model = plane.model(caller, name);
  if (model && !plane.endpoints(caller).some((e) => e.plan.name === name)) return wholeOf(plane, model, version);
  const endpoint = plane.endpoint(caller, name);
  if (version !== undefined) plane.requireVersion(endpoint, version);
  return columnsOf(plane, endpoint, version);
}

export const servedNames = (plane: Plane, caller: Exchange['caller']): string[] => [
  ...new Set([...plane.endpoints(caller).map((e) => e.plan.name), ...plane.models(caller).map((m) => m.name)]),
];

const runtimeOf = (placement: { readonly where: string; readonly lanes: number } | undefined): Pick<Served, 'platform' | 'lanes'> => ({
  platform: placement?.where === 'python' ? 'mlflow_pyfunc' : 'onnxruntime_onnx',
  lanes: placement?.lanes ?? 1,
});

const dims = (shape: readonly (number | string)[]): number[] => shape.map((d) => (typeof d === 'number' ? d : -1));

// --- Models as they are --------------------------------------------------------------------------------------

const described = new WeakMap<object, Pick<Served, 'inputs' | 'outputs'>>();

function wholeOf(plane: Plane, model: WholeModel, asked: string | undefined): Served {
  const version = wholeVersion(model, asked);
  const { session } = model.versions.find((v) => v.version === version)!;
  const { signature, optional, takesAnything } = session;
  let specs = described.get(signature);
  if (!specs) {
    const spec = ({ name, type, shape }: (typeof signature.inputs)[number]): TensorSpec => ({
      name,
      datatype: datatypeOf(type),
      shape: dims(shape),
    });
    described.set(signature, (specs = { inputs: signature.inputs.map(spec), outputs: signature.outputs.map(spec) }));
  }
  const { inputs, outputs } = specs;
  return {
    name: model.name,
    versions: model.versions.map((v) => v.version),
    inputs,
    outputs,
    properties: { execution: describePlacement(session.placement) },
    ...runtimeOf(session.placement),
    variantsOf: (v) => [v],
    columns: false,
    infer: async ({ deadlineMs, gone, laps }, tensors, wanted, parameters) => {
      const isSent = ({ name }: { name: string }): boolean => !optional?.has(name) || tensors.some((t) => t.name === name);
      if (!takesAnything) requireInputs(inputs.filter(isSent), signature.inputs.filter(isSent), tensors);
      const types = new Map(
        takesAnything
          ? tensors.map((t) => [t.name, typeOf(t.datatype)] as const)
          : signature.inputs.map(({ name, type }) => [name, type] as const),
      );
      const results = await plane.run(
        model,
        version,
        tensors.map(({ name, shape, data }) => ({ name, type: types.get(name)!, shape, data: data as ArrayLike<number> })),
        wanted,
        { deadlineMs, gone, laps, ...(parameters && session.placement?.where === 'python' ? { parameters } : {}) },
      );
      return {
        version,
        parameters: {},
        headers: {},
        outputs: results.map(({ name, type, shape, data }) => ({ name, datatype: datatypeOf(type), shape, data })),
      };
    },
  };
}

/** The runtime would refuse these too, but not in words for the caller. */
function requireInputs(
  specs: readonly TensorSpec[],
  signature: readonly { shape: readonly (number | string)[] }[],
  tensors: readonly Tensor[],
) {
  const lengths = new Map<string, number>();
  for (const [i, spec] of specs.entries()) {
    const tensor = tensors.find((t) => t.name === spec.name);
    if (!tensor) return refuseBody(`the input "${spec.name}" is missing.`);
    if (tensor.datatype !== spec.datatype)
      return refuseBody(`the input "${spec.name}" is ${tensor.datatype}, the model takes ${spec.datatype}.`);
    // The runtime takes a text up to its first NUL; better refused than cut.
    if (spec.datatype === 'BYTES') {
      const cut = Array.prototype.findIndex.call(tensor.data, (text) => String(text).includes('\0'));
      if (cut >= 0) return refuseBody(`element ${cut} of the input "${spec.name}" holds a NUL, which a model cannot read.`);
    }
    const said = `[${tensor.shape.join(', ')}]`;
    if (tensor.shape.length !== spec.shape.length || spec.shape.some((d, j) => d !== -1 && d !== tensor.shape[j]))
      return refuseBody(`the input "${spec.name}" has the shape ${said}, the model takes [${spec.shape.join(', ')}].`);
    for (const [j, dim] of signature[i]!.shape.entries()) {
      if (typeof dim !== 'string' || dim === 'N') continue;
      const length = lengths.get(dim) ?? tensor.shape[j]!;
      lengths.set(dim, length);
      if (length !== tensor.shape[j])
        return refuseBody(`the input "${spec.name}" has the shape ${said}, but another one has ${length} for "${dim}".`);
    }
  }
  const stray = tensors.find((t) => !specs.some((s) => s.name === t.name));
  if (stray) return refuseBody(`there is no input "${stray.name.slice(0, 100)}"; there are ${specs.map((s) => s.name).join(', ')}.`);
}

// --- Endpoints of the plan -----------------------------------------------------------------------------------

const requestTypes = { number: 'FP64', integer: 'INT64', string: 'BYTES', boolean: 'BOOL' } as const;

/** Outputs that every variant has, with the type of the first. */
const outputsOf = ({ variants: [first, ...others] }: LiveEndpoint) =>
  first!.session.signature.outputs.filter(({ name }) => others.every((v) => v.session.signature.outputs.some((o) => o.name === name)));

const columnSpecs = new WeakMap<LiveEndpoint, Pick<Served, 'inputs' | 'outputs'>>();

function columnsOf(plane: Plane, endpoint: LiveEndpoint, version: string | undefined): Served {
  let specs = columnSpecs.get(endpoint);
  if (!specs) {
    specs = {
      inputs: endpoint.plan.request.map(({ name, type }) => ({ name, datatype: requestTypes[type], shape: [-1, 1] })),
      outputs: outputsOf(endpoint).map(({ name, type, shape }) => ({
        name,
        datatype: datatypeOf(type),
        shape: shape.length === 0 ? [-1] : dims(shape),
      })),
    };
    columnSpecs.set(endpoint, specs);
  }
  return {
    name: endpoint.plan.name,
    versions: endpoint.variants.map((v) => v.plan.modelVersion),
    ...specs,
    ...runtimeOf(endpoint.variants[0]!.session.placement),
    properties: {
      revision: String(endpoint.plan.revision),
      ...Object.fromEntries(endpoint.variants.map((v) => [`execution.${v.plan.id}`, describePlacement(v.session.placement)])),
    },
    variantsOf: (v) => endpoint.plan.variants.filter((variant) => variant.modelVersion === v).map(({ id }) => id),
    columns: true,
    infer: async (exchange, tensors, outputs) => {
      const predicted = await plane.predict(exchange, endpoint, rowsOf(tensors), {
        outputs,
        pointer: () => '/inputs',
        ...(version === undefined ? {} : { version }),
      });
      const [first] = predicted;
      const isOne = predicted.every((r) => r.variant.plan.modelVersion === first!.variant.plan.modelVersion);
      return {
        ...(isOne ? { version: first!.variant.plan.modelVersion } : {}),
        parameters: parametersOf(predicted),
        headers: predictionHeaders(predicted),
        outputs: outputs.map((name) => columnOf(name, predicted)),
      };
    },
  };
}

function rowsOf(tensors: readonly Tensor[]): Row[] {
  let rows: Record<string, unknown>[] | undefined;
  for (const { name, datatype, shape, data } of tensors) {
    const shown = name.slice(0, 100);
    if (shape.length < 1 || shape.length > 2 || (shape.length === 2 && shape[1] !== 1))
      return refuseBody(`the input "${shown}" must have the shape [N] or [N, 1]: one column.`);
    if (data.length < 1) return refuseBody(`the input "${shown}" has no rows.`);
    // Without a prototype a column may have any name, also "__proto__".
    rows ??= Array.from(data, () => Object.create(null) as Record<string, unknown>);
    if (data.length !== rows.length)
      return refuseBody(`the input "${shown}" has ${data.length} rows, the ones before it ${rows.length}; all must have the same number.`);
    const kind = fixedWidth(datatype)?.kind;
    for (let i = 0; i < data.length; i++) {
      const value = data[i]!;
      rows[i]![name] =
        value === null
          ? null
          : kind === 'bool'
            ? Boolean(value)
            : kind === 'big'
              ? Number(value)
              : kind === 'half'
                ? halfOf(datatype, Number(value))
                : value;
    }
  }
  return rows!;
}

const columnOf = (name: string, rows: readonly PredictedRow[]): Tensor => {
  const values = rows.map((row) => row.output(name));
  return {
    name,
    datatype: datatypeOf(values[0]!.type),
    shape: [rows.length, ...values[0]!.shape],
    data: values.flatMap((v) => v.values),
  };
};

const parametersOf = (rows: readonly PredictedRow[]): Record<string, string | number> => ({
  prediction_id: rows[0]!.id,
  ...(rows.length > 1 ? { prediction_count: rows.length } : {}),
  ...(rows.every((r) => r.variant === rows[0]!.variant) ? { variant: rows[0]!.variant.plan.id } : {}),
});
