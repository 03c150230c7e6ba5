// Load for some seconds over kept connections, each with one request under way: ready-made bytes out, answers read only as far as
// their status and length. It has a core of its own; `ownLimit` says what it can do at all.
import { connect as connectHttp2 } from 'node:http2';
import { connect, createServer } from 'node:net';

export interface Load {
  readonly answered: number;
  readonly refused: number;
  readonly broken: number;
  readonly seconds: number;
  /** Of answers with 200, in microseconds, sorted. */
  readonly latencyUs: Float64Array;
}

interface LoadOptions {
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second over all connections; without it each connection sends as soon as it is answered. */
  readonly rate?: number;
}

export const secondsOf = (usual: number): number => Number(process.env.GYRE_BENCH_SECONDS ?? usual);

/** Many requests wait in a line at the rate that is asked for; what finds no free connection is sent late, not left out. */
class Tally {
  answered = 0;
  refused = 0;
  broken = 0;
  readonly #latencies: number[] = [];
  readonly #began = performance.now();
  add(status: number, us: number): void {
    if (status === 200) {
      this.answered++;
      this.#latencies.push(us);
    } else this.refused++;
  }
  done(): Load {
    const { answered, refused, broken } = this;
    return {
      answered,
      refused,
      broken,
      seconds: (performance.now() - this.#began) / 1000,
      latencyUs: Float64Array.from(this.#latencies).sort(),
    };
  }
}

const headEnd = Buffer.from('\r\n\r\n');

export async function drive(url: string, request: Buffer, { connections, seconds, rate }: LoadOptions): Promise<Load> {
  const { hostname, port } = new URL(url);
  const tally = new Tally();
  const end = performance.now() + seconds * 1000;
  const every = rate === undefined ? 0 : (1000 * connections) / rate;
  const one = (i: number): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      let began = 0;
      let due = performance.now() + (every * i) / connections;
      let parts: Buffer = Buffer.alloc(0);
      const send = (): void => {
        const now = performance.now();
        if (now >= end) return void socket.end();
        if (due > now && every > 0) return void setTimeout(send, due - now);
        due += every;
        began = now;
        socket.write(request);
      };
      socket.once('connect', send);
      socket.on('error', () => (tally.broken++, resolve()));
      socket.on('close', () => resolve());
      socket.on('data', (chunk: Buffer) => {
        parts = parts.length === 0 ? chunk : Buffer.concat([parts, chunk]);
        const at = parts.indexOf(headEnd);
        if (at < 0) return;
        const head = parts.toString('latin1', 0, at);
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (parts.length < at + 4 + length) return;
        parts = Buffer.alloc(0);
        tally.add(Number(head.slice(9, 12)), (performance.now() - began) * 1000);
        send();
      });
    });
  await Promise.all(Array.from({ length: connections }, (_, i) => one(i)));
  return tally.done();
}

/** The same over HTTP/2: a gRPC message as bytes, without a library that would cost more than the server. */
export async function driveGrpc(address: string, path: string, message: Buffer, { connections, seconds }: LoadOptions): Promise<Load> {
  const framed = Buffer.concat([Buffer.alloc(5), message]);
  framed.writeUInt32BE(message.length, 1);
  const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
  // A handful of sessions, as clients have them; streams beside each other in each.
  const sessions = Array.from({ length: Math.min(4, connections) }, () => connectHttp2(`http://${address}`));
  const tally = new Tally();
  const end = performance.now() + seconds * 1000;
  const one = async (i: number): Promise<void> => {
    const session = sessions[i % sessions.length]!;
    while (performance.now() < end)
      await new Promise<void>((resolve) => {
        const began = performance.now();
        const call = session.request(headers);
        let status = '';
        call.on('trailers', (trailers) => (status = String(trailers['grpc-status'])));
        call.on('response', (head) => (status ||= String(head['grpc-status'] ?? '')));
        call.on('data', () => undefined);
        call.on('error', () => tally.broken++);
        call.on('close', () => {
          tally.add(status === '0' ? 200 : 503, (performance.now() - began) * 1000);
          resolve();
        });
        call.end(framed);
      });
  };
  await Promise.all(Array.from({ length: connections }, (_, i) => one(i)));
  for (const session of sessions) session.close();
  return tally.done();
}

/** Loads after each other, as one. */
export function together(loads: readonly Load[]): Load {
  const sum = (of: (load: Load) => number): number => loads.reduce((total, load) => total + of(load), 0);
  return {
    answered: sum((l) => l.answered),
    refused: sum((l) => l.refused),
    broken: sum((l) => l.broken),
    seconds: sum((l) => l.seconds),
    latencyUs: Float64Array.from(loads.flatMap((l) => [...l.latencyUs])).sort(),
  };
}

/** What the generator reaches against a server that says always the same, in the same process. */
export async function ownLimit(request: Buffer): Promise<number> {
  const reply = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', () => socket.write(reply));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const { answered, seconds } = await drive(`http://127.0.0.1:${port}`, request, { connections: 32, seconds: secondsOf(3) });
  server.close();
  return answered / seconds;
}

export const post = (path: string, body: Buffer | string, headers: Readonly<Record<string, string>> = {}): Buffer => {
  const lines = Object.entries({ 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), ...headers });
  const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.from(body as string)]);
};
