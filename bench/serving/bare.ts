// The limits of what a server of these protocols can do in one thread: node:http, the parser, the same call of the model, the
// writer, and nothing around them. bare.ts json|binary|grpc MODEL
import { createServer } from 'node:http';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [kind = 'json', path = ''] = process.argv.slice(2);
const session = await InferenceSession.create(path, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const [name] = session.inputNames as [string];
const names = session.outputNames.slice();

interface Sent {
  readonly name: string;
  readonly shape: number[];
  readonly data: number[];
}

const runOn = async (inputs: readonly Sent[]) => {
  const feeds: Record<string, Tensor> = {};
  for (const { name: input, shape, data } of inputs) feeds[input] = new Tensor('float32', Float32Array.from(data), shape);
  return session.run(feeds, names);
};

async function json(body: Buffer): Promise<Buffer> {
  const results = await runOn((JSON.parse(body.toString()) as { inputs: Sent[] }).inputs);
  const outputs = names.map((output) => {
    const { data, dims } = results[output]!;
    const isLong = data instanceof BigInt64Array;
    return { name: output, datatype: isLong ? 'INT64' : 'FP32', shape: dims, data: Array.from(data as Float32Array, Number) };
  });
  return Buffer.from(JSON.stringify({ model_name: 'm', outputs }));
}

const bytesOf = (data: Tensor.DataType): Buffer => {
  const { buffer, byteOffset, byteLength } = data as Float32Array;
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
};

async function binary(body: Buffer, length: number): Promise<{ header: number; body: Buffer }> {
  const { inputs } = JSON.parse(body.toString('utf8', 0, length)) as { inputs: Sent[] };
  const { shape } = inputs[0]!;
  const values = new Float32Array(new Uint8Array(body.subarray(length)).buffer);
  const results = await session.run({ [name]: new Tensor('float32', values, shape) }, names);
  const raw = names.map((output) => bytesOf(results[output]!.data));
  const outputs = names.map((output, i) => ({
    name: output,
    shape: results[output]!.dims,
    parameters: { binary_data_size: raw[i]!.length },
  }));
  const head = Buffer.from(JSON.stringify({ model_name: 'm', outputs }));
  return { header: head.length, body: Buffer.concat([head, ...raw]) };
}

const ready = (port: number): void => void process.send?.(port);
process.on('disconnect', () => process.exit(0));

if (kind === 'grpc') {
  const [grpc, { loadDefinition }] = await Promise.all([import('@grpc/grpc-js'), import('../../src/dialects/oip/grpc/server.ts')]);
  const service = (await loadDefinition())['inference.GRPCInferenceService'] as import('@grpc/grpc-js').ServiceDefinition;
  const server = new grpc.Server();
  interface Request {
    readonly inputs: readonly { readonly shape: readonly string[] }[];
    readonly raw_input_contents: readonly Buffer[];
  }
  server.addService(service, {
    ModelInfer: (call: { request: Request }, done: (error: null, reply: object) => void) => {
      const { inputs, raw_input_contents: raw } = call.request;
      const values = new Float32Array(new Uint8Array(raw[0]!).buffer);
      void session.run({ [name]: new Tensor('float32', values, inputs[0]!.shape.map(Number)) }, names).then((results) =>
        done(null, {
          model_name: 'm',
          outputs: names.map((output) => ({ name: output, datatype: 'FP32', shape: results[output]!.dims })),
          raw_output_contents: names.map((output) => bytesOf(results[output]!.data)),
        }),
      );
    },
  });
  server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (_error, port) => ready(port));
} else {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      if (kind === 'binary') {
        const { header, body: reply } = await binary(body, Number(request.headers['inference-header-content-length']));
        response.writeHead(200, {
          'content-type': 'application/octet-stream',
          'content-length': reply.length,
          'inference-header-content-length': header,
        });
        response.end(reply);
      } else {
        const reply = await json(body);
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': reply.length }).end(reply);
      }
    });
  });
  server.listen(0, '127.0.0.1', () => ready((server.address() as { port: number }).port));
}
