// Tensors of gRPC messages, raw or typed, to and from those of the dialect.
import { refuseBody } from '../../../domains/serving/data-plane.ts';
import { isDatatype, shapeOf, type Tensor } from '../datatypes.ts';
import { readRaw, textOf, writeRaw } from '../raw-tensors.ts';
import { contentsField, readElements, type WireRequest, type WireTensor } from './wire.ts';

/** Raises `prediction-body-invalid`. */
export function readInputs({ inputs, raw, modelName }: WireRequest): Tensor[] {
  if (inputs.length === 0) return refuseBody('there are no inputs.');
  if (raw.length > 0 && raw.length !== inputs.length)
    return refuseBody(`there are ${inputs.length} inputs and ${raw.length} raw_input_contents; either all inputs are raw or none.`);
  const names = new Set<string>();
  return inputs.map((input, i) => {
    const shown = input.name.slice(0, 100);
    if (input.name === '') return refuseBody('every input needs a name.');
    if (names.has(input.name)) return refuseBody(`the input "${shown}" comes twice.`);
    names.add(input.name);
    if (!isDatatype(input.datatype)) return refuseBody(`the datatype "${input.datatype.slice(0, 20)}" of the input "${shown}" is none.`);
    if (raw.length === 0) return readTyped(input, shown);
    // Some clients send the field, but nothing in it.
    if ([...input.contents.values()].some((pieces) => pieces.length > 0))
      return refuseBody(
        `contents field must not be specified when using raw_input_contents for '${shown}' for model '${modelName.slice(0, 100)}'`,
      );
    return { ...readRaw(shown, input.datatype, input.shape, raw[i]!), name: input.name };
  });
}

function readTyped({ name, datatype, shape: sent, contents }: WireTensor, shown: string): Tensor {
  const { shape, count } = shapeOf(sent, shown, datatype);
  const field = contentsField(datatype);
  if (field === undefined) return refuseBody(`the input "${shown}" is ${datatype}, which travels in raw_input_contents only.`);
  for (const [other, pieces] of contents)
    if (other !== field && pieces.length > 0) return refuseBody(`the contents of the input "${shown}" are not those of ${datatype}.`);
  const pieces = contents.get(field) ?? [];
  const fits = (length: number): void => {
    if (length !== count) refuseBody(`the input "${shown}" has ${length} elements, its shape says ${count}.`);
  };
  if (datatype === 'BYTES') {
    fits(pieces.length);
    return { name, datatype, shape, data: pieces.map((p, i) => textOf(shown, i, p.bytes)) };
  }
  const { data, wrong } = readElements(datatype, pieces);
  fits(data.length);
  return wrong < 0 ? { name, datatype, shape, data } : refuseBody(`element ${wrong} of the input "${shown}" is not ${datatype}.`);
}

const contentsName: readonly string[] = [
  '',
  'bool_contents',
  'int_contents',
  'int64_contents',
  'uint_contents',
  'uint64_contents',
  'fp32_contents',
  'fp64_contents',
  'bytes_contents',
];

/** What goes into `outputs` and `raw_output_contents` of the answer. */
export function writeOutputs(tensors: readonly Tensor[], typed: boolean) {
  // What has no typed form makes the whole answer raw: the two are never mixed.
  const isTyped = typed && tensors.every((t) => contentsField(t.datatype) !== undefined);
  return {
    outputs: tensors.map((t) => ({
      name: t.name,
      datatype: t.datatype,
      shape: t.shape,
      ...(isTyped ? { contents: { [contentsName[contentsField(t.datatype)!]!]: typedElements(t) } } : {}),
    })),
    raw_output_contents: isTyped ? [] : tensors.map((t) => writeRaw(t.datatype, t.data)),
  };
}

const typedElements = ({ datatype, data }: Tensor): unknown[] =>
  Array.from(data, (value) =>
    datatype === 'BYTES'
      ? Buffer.from(String(value))
      : datatype === 'BOOL'
        ? Boolean(value)
        : typeof value === 'bigint'
          ? String(value)
          : value,
  );
