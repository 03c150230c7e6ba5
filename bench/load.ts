// A load generator that costs little itself: ready-made requests over kept connections, answers read only as
// far as their status and length.
import { connect } from 'node:net';

export interface Load {
  readonly answered: number;
  readonly refused: number;
  readonly wallMs: number;
  readonly clientCpuMs: number;
  /** Milliseconds from the first byte sent to the last one received, in the order of the answers. */
  readonly latencyMs: Float64Array;
}

/** A POST as bytes. */
export function post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Buffer {
  const text = JSON.stringify(body);
  const lines = Object.entries({ 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)), ...headers });
  return Buffer.from(`POST ${path} HTTP/1.1\r\nhost: localhost\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n${text}`);
}

/** Sends the requests in their order over `connections` connections, one at a time on each. */
export async function drive(url: string, requests: readonly Buffer[], connections: number): Promise<Load> {
  const { hostname, port } = new URL(url);
  const latencyMs = new Float64Array(requests.length);
  let [next, answered, refused] = [0, 0, 0];

  const connection = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      let received: Buffer = Buffer.alloc(0);
      let began = 0;
      const send = (): void => {
        if (next >= requests.length) {
          socket.end();
          return resolve();
        }
        began = performance.now();
        socket.write(requests[next++]!);
      };
      socket.once('connect', send);
      socket.on('error', reject);
      socket.on('data', (chunk: Buffer) => {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        const end = received.indexOf('\r\n\r\n');
        if (end < 0) return;
        const head = received.toString('latin1', 0, end);
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
        if (Number.isNaN(length)) return void reject(new Error(`an answer without a length: ${head}`));
        if (received.length < end + 4 + length) return;
        if (!head.startsWith('HTTP/1.1 200')) refused++;
        latencyMs[answered++] = performance.now() - began;
        received = Buffer.alloc(0);
        send();
      });
    });

  const [began, cpu] = [performance.now(), process.cpuUsage()];
  await Promise.all(Array.from({ length: Math.min(connections, requests.length) }, connection));
  const used = process.cpuUsage(cpu);
  return { answered, refused, wallMs: performance.now() - began, clientCpuMs: (used.user + used.system) / 1000, latencyMs };
}
