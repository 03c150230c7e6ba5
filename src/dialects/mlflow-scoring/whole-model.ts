// An invocation of a model that is served as it is: what was sent is held against the model's signature, becomes the tensors of the
// model, and what comes out is written as MLflow writes it. A table is answered with records, arrays with arrays by name.
import { refuseBody, wholeVersion, type Answer, type Exchange, type Plane, type WholeModel } from '../../domains/serving/data-plane.ts';
import { tableOf, type Input, type Invocation } from './body.ts';
import { elementsOf, enforceScalar, Unfit } from './elements.ts';
import { fail } from './errors.ts';
import { fitShape, flatten, jsonOf, type Nested } from './nested.ts';
import { noSignature, type ColumnSpec, type ModelSignature, type ScalarType, type TensorInput } from './signature.ts';

type Session = WholeModel['versions'][number]['session'];
type Spec = Session['signature']['inputs'][number];
type Table = Input & { readonly form: 'table' };
type Outputs = Awaited<ReturnType<Plane['run']>>;

/** What the model is fed: a table by columns, or arrays by the names of its inputs. */
type Feeds = { readonly records: boolean; readonly arrays: ReadonlyMap<string, Nested> };

export async function invokeWhole(
  plane: Plane,
  model: WholeModel,
  asked: string | undefined,
  signatureOf: (name: string, version: string) => ModelSignature | undefined,
  { input, params }: Invocation,
  { deadlineMs, gone, laps }: Exchange,
): Promise<Answer> {
  const version = wholeVersion(model, asked);
  const { session } = model.versions.find((v) => v.version === version)!;
  const { signature: tensors } = session;
  const signature = signatureOf(model.name, version) ?? noSignature;
  const refuse = (why: string): never => fail('scoring-input-mismatch', { model: model.name, why });
  requireParams(signature, params, refuse);
  const feeds = signature.columns
    ? byColumns(signature.columns, input, tensors.inputs, refuse, session.placement?.where === 'python')
    : signature.tensors
      ? byTensors(signature.tensors, input, tensors.inputs, refuse)
      : asSent(input, session.takesAnything ? specsOf(input) : tensors.inputs, refuse);
  const specs = session.takesAnything
    ? specsOf(input)
    : tensors.inputs.filter((spec) => !session.optional?.has(spec.name) || feeds.arrays.has(spec.name));
  const outputs = await plane.run(
    model,
    version,
    specs.map((spec) => tensorFor(spec, feeds.arrays.get(spec.name), refuse)),
    tensors.outputs.map((o) => o.name),
    { deadlineMs, gone, laps, ...(params && session.placement?.where === 'python' ? { parameters: params } : {}) },
  );
  return {
    status: 200,
    headers: { 'gyre-model-version': encodeURIComponent(version) },
    body: `{"predictions":${answerOf(outputs, session.answerForm?.() ?? null, feeds.records)}}`,
  };
}

type Refuse = (why: string) => never;

/** A model in Python says in which form its answer was; one of ONNX answers a table with records. */
function answerOf(outputs: Outputs, form: ReturnType<NonNullable<Session['answerForm']>>, isTable: boolean): string {
  const [only, ...more] = outputs;
  if (form === 'values' && only && more.length === 0) return jsonOf(viewOf(only.type, only.data, only.json), only.shape);
  return (form === null ? isTable : form === 'records') ? recordsOf(outputs) : arraysOf(outputs);
}

/** A model without a signature takes what comes: each column or array as what its values are. */
function specsOf(input: Input): Spec[] {
  const one = (name: string, value: unknown): Spec => {
    const { values = [], shape = [] } = flatten(value) ?? {};
    const every = (is: (v: unknown) => boolean): boolean => values.every((v) => v === null || is(v));
    const type = every((v) => typeof v === 'boolean')
      ? 'bool'
      : every((v) => typeof v === 'bigint' || Number.isInteger(v)) && !values.includes(null)
        ? 'int64'
        : every((v) => typeof v === 'number' || typeof v === 'bigint')
          ? 'float64'
          : 'string';
    return { name, type, shape: shape.map(() => 'N') };
  };
  if (input.form === 'array') return [one('input', input.value)];
  if (input.form === 'named') return Object.entries(input.values).map(([name, value]) => one(name, value));
  const names = input.columns ?? input.rows[0]?.map((_, c) => String(c)) ?? [];
  return names.map((name, c) =>
    one(
      name,
      input.rows.map((row) => row[c]),
    ),
  );
}

// --- What the signature wants ------------------------------------------------------------------------------------

const PARAM: Readonly<Record<string, (value: unknown) => boolean>> = {
  boolean: (v) => typeof v === 'boolean',
  integer: (v) => typeof v === 'bigint' || Number.isInteger(v),
  long: (v) => typeof v === 'bigint' || Number.isInteger(v),
  float: (v) => typeof v === 'number' || typeof v === 'bigint',
  double: (v) => typeof v === 'number' || typeof v === 'bigint',
  string: (v) => typeof v === 'string',
  datetime: (v) => typeof v === 'string' && !Number.isNaN(Date.parse(v)),
};

/** Parameters mean nothing to a model of ONNX, but a wrong one is told. Those the signature does not name are left out. */
function requireParams({ params: specs }: ModelSignature, params: Invocation['params'], refuse: Refuse): void {
  for (const { name, type, shape } of specs ?? []) {
    const value = params && Object.hasOwn(params, name) ? params[name] : null;
    const isFit = PARAM[type] ?? (() => true);
    if (value === null || value === undefined) continue;
    if (shape ? !Array.isArray(value) || !value.every(isFit) : !isFit(value))
      refuse(`Invalid parameters found: "${name}" must be ${shape ? 'a list of ' : ''}${type}.`);
  }
}

function byColumns(columns: readonly ColumnSpec[], input: Input, specs: readonly Spec[], refuse: Refuse, inPython = false): Feeds {
  const table = asTable(input, refuse);
  const isNamed = columns.every((c) => c.name !== undefined);
  const places = columns.map((column, c) => (isNamed && table.columns ? table.columns.indexOf(column.name!) : c));
  const width = table.columns?.length ?? table.rows[0]?.length ?? 0;
  const lacking = columns.filter((c, i) => c.required && (places[i]! < 0 || places[i]! >= width));
  if (lacking.length > 0) {
    const extra = isNamed && table.columns ? table.columns.filter((name) => !columns.some((c) => c.name === name)) : [];
    refuse(
      isNamed
        ? `Model is missing inputs ${list(lacking.map((c) => c.name!))}.${extra.length > 0 ? ` Note that there were extra inputs: ${list(extra.slice(0, 20))}.` : ''}`
        : `Model inference is missing inputs. The model signature declares ${columns.length} inputs but the provided value only has ${width} inputs.`,
    );
  }
  const names = columns.map((c, i) => c.name ?? table.columns?.[i] ?? String(i));
  const enforced = columns.map(({ type, required }, c) =>
    table.rows.map((row, r) => {
      const value = places[c]! < 0 ? undefined : row[places[c]!];
      // A model in Python makes its own of what travels as text.
      const isNested = type === 'array' || type === 'object' || type === 'map' || type === 'any';
      if (inPython && (isNested || type === 'binary' || type === 'datetime'))
        return isNested ? JSON.stringify(value ?? null) : (value ?? null);
      if (isNested) return value;
      if (!required && (value === null || value === undefined)) return null;
      return told(() => enforceScalar(type as ScalarType, value), `incompatible input types for column ${names[c]}: row ${r}`);
    }),
  );
  return { records: true, arrays: fromColumns(names, enforced, specs) };
}

function byTensors(tensors: readonly TensorInput[], input: Input, specs: readonly Spec[], refuse: Refuse): Feeds {
  const arrays = new Map<string, Nested>();
  for (const [t, { name, shape }] of tensors.entries()) {
    // A signature without names is of the one input that there is.
    const target = tensors.length === 1 && specs.length === 1 ? specs[0]!.name : (name ?? specs[t]?.name ?? '');
    const sent = arrayOf(input, name, tensors.length, refuse);
    const fitted = input.form === 'table' ? (fitShape(sent.shape, shape) ?? sent.shape) : sent.shape;
    if (fitted.length !== shape.length || shape.some((d, i) => d !== -1 && d !== fitted[i]))
      refuse(`Shape of input ${tuple(fitted)} does not match expected shape ${tuple(shape)}.`);
    arrays.set(target, { shape: fitted, values: sent.values });
  }
  return { records: false, arrays };
}

/** Without a signature the form of the request says how it is meant. */
function asSent(input: Input, specs: readonly Spec[], refuse: Refuse): Feeds {
  if (input.form === 'table') {
    const names = input.columns ?? input.rows[0]!.map((_, c) => String(c));
    const columns = names.map((_, c) => input.rows.map((row) => row[c]));
    return { records: true, arrays: fromColumns(names, columns, specs) };
  }
  if (input.form === 'array') {
    if (specs.length !== 1)
      refuse(
        `One array can only be used as input of a model with a single input. This model requires ${specs.length} inputs: ${list(specs.map((s) => s.name))}.`,
      );
    return { records: false, arrays: new Map([[specs[0]!.name, rectangular(input.value, specs[0]!.name)]]) };
  }
  const stray = Object.keys(input.values).find((name) => !specs.some((s) => s.name === name));
  // The columns of a model with one matrix, by their names.
  if (stray !== undefined && specs.length === 1) return { ...asSent(asTable(input, refuse), specs, refuse), records: false };
  if (stray !== undefined) refuse(`There is no input "${stray.slice(0, 100)}"; there are ${list(specs.map((s) => s.name))}.`);
  return {
    records: false,
    arrays: new Map(Object.entries(input.values).map(([name, value]) => [name, rectangular(value, name)])),
  };
}

// --- From one form to the other ----------------------------------------------------------------------------------

function asTable(input: Input, refuse: Refuse): Table {
  if (input.form === 'table') return input;
  if (input.form === 'array') {
    const { value } = input;
    const rows = (Array.isArray(value) ? value : [value]).map((row: unknown) => (Array.isArray(row) ? (row as unknown[]) : [row]));
    if (rows.some((row) => row.length !== rows[0]!.length)) refuseBody('the rows of the input are not all as long as the first.');
    return { form: 'table', columns: undefined, rows, texts: false };
  }
  const entries = Object.entries(input.values);
  if (entries.every(([, v]) => !Array.isArray(v))) return tableOf([input.values]);
  const length = (entries.find(([, v]) => Array.isArray(v))![1] as unknown[]).length;
  for (const [name, v] of entries)
    if (!Array.isArray(v) || v.length !== length)
      refuse(`The length of values for each input/column name are not the same: "${name.slice(0, 100)}" has not ${length}.`);
  const at = (v: unknown, r: number): unknown => {
    const element = (v as unknown[])[r];
    return Array.isArray(element) && element.length === 1 && !Array.isArray(element[0]) ? (element[0] as unknown) : element;
  };
  return {
    form: 'table',
    columns: entries.map(([name]) => name),
    rows: Array.from({ length }, (_, r) => entries.map(([, v]) => at(v, r))),
    texts: false,
  };
}

/** The columns as inputs of the model: each its own, or all of them as the one matrix. */
function fromColumns(names: readonly string[], columns: readonly (readonly unknown[])[], specs: readonly Spec[]): Map<string, Nested> {
  const rows = columns[0]?.length ?? 0;
  const [only] = specs;
  if (specs.length === 1 && !(names.length === 1 && columns[0]!.some(Array.isArray)))
    return new Map([
      [
        only!.name,
        { shape: [rows, names.length], values: Array.from({ length: rows }, (_, r) => columns.map((column) => column[r])).flat() },
      ],
    ]);
  return new Map(
    specs.flatMap((spec): [string, Nested][] => {
      const c = specs.length === 1 ? 0 : names.indexOf(spec.name);
      return c < 0 ? [] : [[spec.name, rectangular(columns[c], names[c]!)]];
    }),
  );
}

/** The array for one tensor of the signature. */
function arrayOf(input: Input, name: string | undefined, count: number, refuse: Refuse): Nested {
  if (input.form === 'named') {
    const key = name ?? (Object.keys(input.values).length === 1 ? Object.keys(input.values)[0] : undefined);
    if (key === undefined) refuse('This model has one input without a name; send one array.');
    if (!Object.hasOwn(input.values, key!)) refuse(`Model is missing inputs ${list([key!])}.`);
    return rectangular(input.values[key!], key!);
  }
  if (input.form === 'array') {
    if (count !== 1) refuse('This model has several inputs; send an object of their names and arrays.');
    return rectangular(input.value, name ?? 'input');
  }
  const { columns, rows } = input;
  if (name !== undefined && columns?.includes(name))
    return rectangular(
      rows.map((row) => row[columns.indexOf(name)]),
      name,
    );
  if (count !== 1) refuse(`Model is missing inputs ${list([name ?? ''])}.`);
  return rectangular(rows.length > 0 && rows[0]!.length === 1 ? rows.map((row) => row[0]) : rows, name ?? 'input');
}

const rectangular = (value: unknown, name: string): Nested =>
  flatten(value) ?? refuseBody(`the input "${name.slice(0, 100)}" is ragged: its lists must all be of the same length.`);

function tensorFor({ name, type, shape }: Spec, sent: Nested | undefined, refuse: Refuse) {
  if (!sent) return refuse(`Model is missing inputs ${list([name])}.`);
  const wanted = shape.map((d) => (typeof d === 'number' ? d : -1));
  const fitted = fitShape(sent.shape, wanted);
  if (!fitted) return refuse(`The input "${name}" has the shape ${tuple(sent.shape)}, the model takes ${tuple(wanted)}.`);
  const { data, put } = elementsOf(type, sent.values.length);
  for (const [i, value] of sent.values.entries()) told(() => put(i, value), `element ${i} of the input "${name}"`);
  return { name, type, shape: fitted, data };
}

/** What `Unfit` says, as a sentence about its place. */
function told<T>(work: () => T, place: string): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Unfit) return refuseBody(`${place} ${error.message}.`);
    throw error;
  }
}

// --- Answers -----------------------------------------------------------------------------------------------------

const arraysOf = (outputs: Outputs): string =>
  `{${outputs.map(({ name, type, shape, data, json }) => `${JSON.stringify(name)}:${jsonOf(viewOf(type, data, json), shape)}`).join(',')}}`;

/** One record for each row. An output with one value per row is that value, one with several their list. */
function recordsOf(outputs: Outputs): string {
  const rows = outputs[0]?.shape[0] ?? 1;
  if (outputs.some((o) => o.shape.length === 0 || o.shape[0] !== rows)) return arraysOf(outputs);
  const columns = outputs.map(({ name, type, shape, data, json }) => {
    const inner = shape.slice(1);
    const size = inner.reduce((product, d) => product * d, 1);
    const view = viewOf(type, data, json);
    return (r: number) => `${JSON.stringify(name)}:${jsonOf(view, size === 1 ? [] : inner, r * size)}`;
  });
  return `[${Array.from({ length: rows }, (_, r) => `{${columns.map((column) => column(r)).join(',')}}`).join(',')}]`;
}

/** Elements as JSON knows them: a bool is a byte here, a half its bits. */
function viewOf(type: string, data: Outputs[number]['data'], json = false): ArrayLike<unknown> {
  if (json) return Array.from(data, (text): unknown => JSON.parse(String(text)));
  if (type === 'bool') return Array.from(data, Boolean);
  if (type !== 'float16') return data;
  const bits = Uint16Array.from(data as ArrayLike<number>);
  return new Float16Array(bits.buffer);
}

const list = (names: readonly string[]): string => `[${names.map((name) => `'${name.slice(0, 100)}'`).join(', ')}]`;
const tuple = (shape: readonly number[]): string => `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
