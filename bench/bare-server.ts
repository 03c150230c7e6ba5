// The limit for a prediction over HTTP: node:http, JSON, and the model's call, with nothing around them. No
// features, no checks, no log, no metrics; the vector comes in the body.
import { createServer } from 'node:http';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [model = '', scoreName = 'probabilities'] = process.argv.slice(2);
const session = await InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
const isText = new Map(session.inputMetadata.map((m) => [m.name, m.isTensor && m.type === 'string']));

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', async () => {
    const { inputs } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { inputs: Record<string, number | string | null> };
    const feeds = Object.fromEntries(
      session.inputNames.map((name) => [
        name,
        isText.get(name)
          ? new Tensor('string', [String(inputs[name] ?? '')], [1, 1])
          : new Tensor('float32', [Number(inputs[name] ?? Number.NaN)], [1, 1]),
      ]),
    );
    const output = (await session.run(feeds, [scoreName]))[scoreName]!;
    const body = JSON.stringify({ score: (output.data as Float32Array)[1] });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
  });
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as { port: number }).port));
process.on('disconnect', () => process.exit(0));
