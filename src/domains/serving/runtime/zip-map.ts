// Classifiers exported by skl2onnx end in a ZipMap (sequence of maps), which ONNX Runtime's Node binding
// cannot fetch. At load each ZipMap node becomes an Identity, so that the output is the tensor that went
// into it. The sealed file stays as it is; only the bytes handed to the runtime differ.
// Field numbers: onnx.proto (ModelProto.graph = 7, GraphProto.node = 1 and output = 12, NodeProto.input = 1,
// output = 2, op_type = 4, domain = 7, ValueInfoProto.name = 1).

interface Field {
  readonly number: number;
  readonly wire: number;
  /** The field with its tag. */
  readonly whole: Buffer;
  /** Content of a length-delimited field. */
  readonly content: Buffer;
}

const marker = Buffer.from('ZipMap');

/** The model with ZipMap nodes replaced, or the same bytes if there are none. Raises a RangeError on a broken file. */
export function replaceZipMaps(model: Buffer): Buffer {
  if (!model.includes(marker)) return model;
  return rewrite(model, (field) => (field.number === 7 && field.wire === 2 ? message(7, rewriteGraph(field.content)) : field.whole));
}

function rewriteGraph(graph: Buffer): Buffer {
  const replaced = new Set<string>();
  const nodes = rewrite(graph, (field) => {
    if (field.number !== 1 || field.wire !== 2 || !field.content.includes(marker)) return field.whole;
    const parts = [...fields(field.content)];
    const text = (number: number): string => parts.find((p) => p.number === number)?.content.toString('utf8') ?? '';
    if (text(4) !== 'ZipMap') return field.whole;
    replaced.add(text(2));
    return message(
      1,
      Buffer.concat([message(1, Buffer.from(text(1))), message(2, Buffer.from(text(2))), message(4, Buffer.from('Identity'))]),
    );
  });
  return rewrite(nodes, (field) => {
    if (field.number !== 12 || field.wire !== 2) return field.whole;
    const name = [...fields(field.content)].find((p) => p.number === 1)?.content ?? Buffer.alloc(0);
    // type { tensor_type { elem_type: FLOAT } } without a shape: the runtime infers it.
    const floats = message(2, message(1, Buffer.from([0x08, 0x01])));
    return replaced.has(name.toString('utf8')) ? message(12, Buffer.concat([message(1, name), floats])) : field.whole;
  });
}

const rewrite = (bytes: Buffer, change: (field: Field) => Buffer): Buffer => Buffer.concat([...fields(bytes)].map(change));

function* fields(bytes: Buffer): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes.readUInt8(at++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      if (scale > 2 ** 63) throw new RangeError('a number in the file is longer than ten bytes');
    }
  };
  while (at < bytes.length) {
    const start = at;
    const tag = varint();
    const wire = tag % 8;
    let from = at;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else if (wire === 2) {
      const length = varint();
      from = at;
      at += length;
    } else throw new RangeError('the file is not a protocol buffer');
    if (at > bytes.length) throw new RangeError('the file is cut off');
    yield { number: Math.floor(tag / 8), wire, whole: bytes.subarray(start, at), content: bytes.subarray(from, at) };
  }
}

function message(number: number, content: Buffer): Buffer {
  const head: number[] = [number * 8 + 2];
  let length = content.length;
  while (length >= 128) {
    head.push((length % 128) + 128);
    length = Math.floor(length / 128);
  }
  head.push(length);
  return Buffer.concat([Buffer.from(head), content]);
}
