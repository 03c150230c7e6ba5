// An inference over REST: JSON alone, JSON followed by raw tensors (binary tensor data extension), or one raw tensor alone.
import { isRecord, parseJson, refuseBody, type Answer, type Exchange } from '../../domains/serving/data-plane.ts';
import { fixedWidth, isDatatype, type Tensor } from './datatypes.ts';
import { hasJson, jsonData, readJson } from './json-tensors.ts';
import { readRaw, writeRaw } from './raw-tensors.ts';
import type { Inferred, Served, TensorSpec } from './served.ts';

const HEADER = 'inference-header-content-length';

interface Wanted {
  readonly name: string;
  readonly binary: boolean;
}

interface InferRequest {
  readonly id: string | undefined;
  readonly deadlineMs: number | undefined;
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
  readonly tensors: readonly Tensor[];
  readonly outputs: readonly Wanted[];
}

export async function infer(exchange: Exchange, served: Served): Promise<Answer> {
  const { id, deadlineMs, parameters, tensors, outputs } = readRequest(exchange, served);
  const inferred = await served.infer(
    deadlineMs === undefined ? exchange : { ...exchange, deadlineMs: Math.min(deadlineMs, exchange.deadlineMs ?? Infinity) },
    tensors,
    outputs.map((o) => o.name),
    parameters,
  );
  return write(served, id, outputs, inferred);
}

function readRequest({ headers, body }: Exchange, served: Served): InferRequest {
  const length = headerLength(headers[HEADER], body.length);
  if (length === 0)
    return {
      id: undefined,
      deadlineMs: undefined,
      tensors: [readWhole(body, served)],
      outputs: served.outputs.map(({ name }) => ({ name, binary: true })),
    };
  const json = parseJson(length === undefined ? body : body.subarray(0, length));
  if (!isRecord(json)) return refuseBody('it must be an object with "inputs".');
  const { id, parameters, inputs } = json;
  if (id !== undefined && typeof id !== 'string') return refuseBody('"id" must be a string.');
  requireParameters(parameters, 'the request');
  const said = isRecord(parameters) ? parameters.binary_data_output : undefined;
  // A caller that sends bytes can read them: what has no form in JSON is bytes, unless it says otherwise.
  const isBinary = ({ datatype }: TensorSpec): boolean =>
    said === true || (said === undefined && length !== undefined && !hasJson(datatype));
  const outputs = readOutputs(json.outputs, served, isBinary);
  const deadlineMs = isRecord(parameters) ? deadlineOf(parameters.timeout, parameters.priority) : undefined;
  return {
    id,
    deadlineMs,
    ...(isRecord(parameters) ? { parameters } : {}),
    outputs,
    tensors: readInputs(inputs, body.subarray(length ?? body.length), served),
  };
}

/**
 * When a request of so many microseconds is given up, by `performance.now()`. A priority is taken and has no effect: nothing is
 * served out of its turn. Raises `prediction-body-invalid`.
 */
export function deadlineOf(timeout: unknown, priority: unknown): number | undefined {
  for (const [name, value] of [
    ['timeout', timeout],
    ['priority', priority],
  ] as const)
    if (value !== undefined && !(typeof value === 'bigint' ? value >= 0n : Number.isInteger(value) && (value as number) >= 0))
      return refuseBody(`"${name}" among the parameters of the request must be a whole number from 0.`);
  // 0 is none, as in Triton.
  return timeout === undefined || Number(timeout) === 0 ? undefined : performance.now() + Number(timeout) / 1000;
}

function headerLength(header: string | string[] | undefined, limit: number): number | undefined {
  if (header === undefined) return undefined;
  const length = typeof header === 'string' && /^\d{1,10}$/.test(header) ? Number(header) : NaN;
  return length <= limit
    ? length
    : refuseBody(
        `the header Inference-Header-Content-Length must be the number of bytes of the JSON in front, at most the ${limit} of the body.`,
      );
}

function requireParameters(parameters: unknown, of: string): void {
  if (parameters === undefined) return;
  if (!isRecord(parameters)) return refuseBody(`"parameters" of ${of} must be an object.`);
  for (const name in parameters)
    if (!['string', 'number', 'boolean', 'bigint'].includes(typeof parameters[name]))
      return refuseBody(`every one of "parameters" of ${of} must be a string, a number or a boolean.`);
}

function readInputs(inputs: unknown, raw: Buffer, { columns }: Served): Tensor[] {
  if (!Array.isArray(inputs) || inputs.length === 0) return refuseBody('"inputs" must be a list of at least one tensor.');
  const names = new Set<string>();
  let at = 0;
  const tensors = inputs.map((input: unknown): Tensor => {
    if (!isRecord(input) || typeof input.name !== 'string' || input.name === '')
      return refuseBody('every tensor of "inputs" needs a "name".');
    const { name, shape, datatype, data, parameters } = input;
    const shown = name.slice(0, 100);
    if (names.has(name)) return refuseBody(`the input "${shown}" comes twice.`);
    names.add(name);
    requireParameters(parameters, `the input "${shown}"`);
    if (typeof datatype !== 'string') return refuseBody(`the input "${shown}" needs a "datatype".`);
    if (!isDatatype(datatype))
      return refuseBody(
        `the datatype "${datatype.slice(0, 20)}" of the input "${shown}" is none; there are BOOL, INT8 to INT64, UINT8 to UINT64, FP16, BF16, FP32, FP64 and BYTES.`,
      );
    const size = isRecord(parameters) ? parameters.binary_data_size : undefined;
    if (isRecord(parameters) && 'shared_memory_region' in parameters)
      return refuseBody(`the input "${shown}" lies in shared memory, which is not read here; send "data" or "binary_data_size".`);
    if ((size === undefined) === (data === undefined))
      return refuseBody(`the input "${shown}" needs either "data" or "binary_data_size" among its "parameters".`);
    if (size === undefined) return { ...readJson(shown, datatype, shape, data, columns), name };
    if (!Number.isSafeInteger(size) || (size as number) < 0 || (size as number) > raw.length - at)
      return refuseBody(`"binary_data_size" of the input "${shown}" must be a number of bytes, at most those that are left of the body.`);
    const bytes = raw.subarray(at, (at += size as number));
    return { ...readRaw(shown, datatype, shape, bytes), name };
  });
  return at === raw.length ? tensors : refuseBody(`there are ${raw.length - at} bytes after the last tensor.`);
}

/** A body that is one tensor. Its shape is the model's, with what is variable in it counted from the bytes. */
function readWhole(body: Buffer, { name: model, inputs }: Served): Tensor {
  const [spec] = inputs;
  if (inputs.length !== 1)
    return refuseBody(
      `Raw request must only have 1 input (found 1) to be deduced but got ${inputs.length} inputs in '${model}' model configuration.`,
    );
  const { name, datatype, shape } = spec!;
  const type = fixedWidth(datatype);
  if (!type) {
    // The bytes are the text itself, without a length. Before the one element there may be the batch, which is one.
    if (shape.slice(shape.length > 1 ? 1 : 0).some((d) => d !== 1 && (d !== -1 || shape.length > 1)) || (shape[0] ?? 1) > 1)
      return refuseBody(`For BYTE datatype raw input '${name}', the model must have input shape [1].`);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(body.length);
    return readRaw(
      name,
      datatype,
      shape.map(() => 1),
      Buffer.concat([length, body]),
    );
  }
  // Of several variable dimensions the first is the batch, which is one.
  const variable = shape.flatMap((d, i) => (d === -1 ? [i] : []));
  if (variable.length > 2)
    return refuseBody(
      `The shape of the raw input '${name}' can not be deduced because there are more than one variable-sized dimension; the model takes [${shape.join(', ')}].`,
    );
  const known = shape.reduce((product, d) => (d === -1 ? product : product * d), type.bytes);
  const open = variable.at(-1);
  const length = known === 0 ? 0 : body.length / known;
  return readRaw(
    name,
    datatype,
    shape.map((d, i) => (d !== -1 ? d : i === open && Number.isInteger(length) ? length : 1)),
    body,
  );
}

function readOutputs(outputs: unknown, served: Served, isBinary: (output: TensorSpec) => boolean): Wanted[] {
  if (outputs === undefined) return served.outputs.map((output) => ({ name: output.name, binary: isBinary(output) }));
  if (!Array.isArray(outputs) || outputs.length === 0)
    return refuseBody('"outputs" must be a list of {"name": ...}; leave it out for all of them.');
  const wanted = outputs.map((output: unknown): Wanted => {
    if (!isRecord(output) || typeof output.name !== 'string') return refuseBody('every entry of "outputs" needs a "name".');
    const shown = output.name.slice(0, 100);
    const known = served.outputs.find((o) => o.name === output.name);
    if (!known) return refuseBody(`there is no output "${shown}"; there are ${served.outputs.map((o) => o.name).join(', ')}.`);
    const { parameters } = output;
    requireParameters(parameters, `the output "${shown}"`);
    if (!isRecord(parameters)) return { name: output.name, binary: isBinary(known) };
    const strange = ['shared_memory_region', 'classification'].find((p) => Object.hasOwn(parameters, p));
    if (strange !== undefined) return refuseBody(`"${strange}" of the output "${shown}" is an extension that is not built here.`);
    const { binary_data: binary = isBinary(known) } = parameters;
    return typeof binary === 'boolean'
      ? { name: output.name, binary }
      : refuseBody(`"binary_data" of the output "${shown}" must be true or false.`);
  });
  requireDistinct(wanted.map((w) => w.name));
  return wanted;
}

/** Raises `prediction-body-invalid`. */
export function requireDistinct(names: readonly string[]): void {
  if (new Set(names).size === names.length) return;
  const twice = names.find((name, i) => names.indexOf(name) !== i)!;
  refuseBody(`Duplicate output name '${twice}' is not allowed in a request.`);
}

function write(
  served: Served,
  id: string | undefined,
  wanted: readonly Wanted[],
  { version, parameters, headers, outputs }: Inferred,
): Answer {
  const raw: Buffer[] = [];
  const texts = outputs.map(({ name, datatype, shape, data }, i) => {
    const head = `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join(',')}]`;
    if (!wanted[i]!.binary) {
      if (hasJson(datatype)) return `${head},"data":${jsonData(datatype, data)}}`;
      return refuseBody(`the output "${name}" is ${datatype}, which has no form in JSON; use the binary data format.`);
    }
    const bytes = writeRaw(datatype, data);
    raw.push(bytes);
    return `${head},"parameters":{"binary_data_size":${bytes.length}}}`;
  });
  let text = `{"model_name":${JSON.stringify(served.name)}`;
  if (version !== undefined) text += `,"model_version":${JSON.stringify(version)}`;
  if (id !== undefined) text += `,"id":${JSON.stringify(id)}`;
  for (const _ in parameters) {
    text += `,"parameters":${JSON.stringify(parameters)}`;
    break;
  }
  text += `,"outputs":[${texts.join(',')}]}`;
  if (raw.length === 0) return { status: 200, headers, body: text };
  const json = Buffer.from(text);
  return {
    status: 200,
    contentType: 'application/octet-stream',
    headers: { ...headers, 'Inference-Header-Content-Length': String(json.length) },
    body: Buffer.concat([json, ...raw]),
  };
}
