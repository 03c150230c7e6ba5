// What a script takes when its server costs nothing: the replies of a server are recorded while the script runs against
// it, then a second run of the script is answered from memory. What is left is the time of the client.
import { createServer, request, Agent, type IncomingMessage, type ServerResponse } from 'node:http';

interface Reply {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

const bytesOf = async (message: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

/** Passes requests on to `target` while `replay` was not called, and answers them from memory afterwards. */
export async function fromMemory(target: string): Promise<{ url: string; replay: () => void; close: () => void }> {
  // The same question is asked several times with different answers, and some questions come side by side.
  const known = new Map<string, Reply[]>();
  const agent = new Agent({ keepAlive: true });
  let recording = true;

  const ask = (asked: IncomingMessage, body: Buffer): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const { host: _, 'transfer-encoding': __, ...headers } = asked.headers;
      const options = { method: asked.method!, headers: { ...headers, 'content-length': body.length }, agent };
      const sending = request(target + asked.url!, options, (reply) => {
        bytesOf(reply).then((bytes) => resolve({ status: reply.statusCode!, headers: reply.rawHeaders, body: bytes }), reject);
      });
      sending.once('error', reject);
      sending.end(body);
    });

  const answer = async (asked: IncomingMessage, reply: ServerResponse): Promise<void> => {
    const body = await bytesOf(asked);
    const name = `${asked.method} ${asked.url}`;
    const replies = known.get(name) ?? [];
    known.set(name, replies);
    if (recording) replies.push(await ask(asked, body));
    // A question that was not heard before, as the upload of a file with a new name, needs no more than a yes.
    const {
      status,
      headers,
      body: bytes,
    } = (recording ? replies.at(-1) : replies.shift()) ?? { status: 200, headers: [], body: Buffer.from('{}') };
    const kept = headers.flatMap((value, i) =>
      i % 2 === 0 && !/^(content-length|transfer-encoding|connection|keep-alive|date)$/i.test(value) ? [value, headers[i + 1]!] : [],
    );
    reply.writeHead(status, [...kept, 'content-length', String(bytes.length)]).end(bytes);
  };

  const server = createServer((asked, reply) => void answer(asked, reply).catch(() => reply.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    replay: () => (recording = false),
    close: () => {
      agent.destroy();
      server.close();
      server.closeAllConnections();
    },
  };
}
