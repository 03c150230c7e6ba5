// An open-loop load generator: requests leave when they are due, whatever became of those before them, as those of many
// independent callers do. A closed loop would slow down with the server and never overload it.
import { connect, type Socket } from 'node:net';

export interface OpenLoopOptions {
  readonly url: string;
  /** Ready-made requests, sent in turn. */
  readonly requests: readonly Buffer[];
  readonly perSecond: number;
  readonly seconds: number;
  /** Connections at most (default 1000); a request that finds none free is not sent and counted. */
  readonly connections?: number;
}

export interface OpenLoopResult {
  readonly sent: number;
  readonly unsent: number;
  /** Answers by status; 0 is a connection that broke. */
  readonly statuses: ReadonlyMap<number, number>;
  /** By status: milliseconds from when the request was due, sorted. */
  readonly latencyMs: ReadonlyMap<number, readonly number[]>;
  /** Of the answers with 503, those that say when to come again. */
  readonly withRetryAfter: number;
}

/** A POST as bytes. */
export const postBytes = (path: string, body: string | Buffer, headers: Readonly<Record<string, string>> = {}): Buffer => {
  const lines = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), ...headers };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\nhost: localhost\r\n${head.join('')}\r\n`), Buffer.from(body)]);
};

export function openLoop({ url, requests, perSecond, seconds, connections = 1000 }: OpenLoopOptions): Promise<OpenLoopResult> {
  const { hostname, port } = new URL(url);
  const statuses = new Map<number, number>();
  const latencyMs = new Map<number, number[]>();
  const idle: ((due: number) => void)[] = [];
  const sockets = new Set<Socket>();
  let [sent, unsent, pending, withRetryAfter] = [0, 0, 0, 0];

  const told = (status: number, due: number): void => {
    pending--;
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    const all = latencyMs.get(status) ?? [];
    latencyMs.set(status, all);
    all.push(performance.now() - due);
  };

  const open = (first: number): void => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    sockets.add(socket);
    let received: Buffer = Buffer.alloc(0);
    let due: number | undefined;
    const send = (at: number): void => {
      due = at;
      socket.write(requests[sent++ % requests.length]!);
    };
    pending++;
    socket.once('connect', () => send(first));
    due = first;
    socket.on('data', (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = received.toString('latin1', 0, end);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (received.length < end + 4 + length) return;
      const status = Number(head.slice(9, 12));
      if (status === 503 && /retry-after: \d+/i.test(head)) withRetryAfter++;
      received = received.subarray(end + 4 + length);
      told(status, due!);
      due = undefined;
      idle.push((at) => {
        pending++;
        send(at);
      });
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      if (due !== undefined) told(0, due);
      due = undefined;
    });
  };

  return new Promise((resolve) => {
    const began = performance.now();
    let started = 0;
    const tick = setInterval(() => {
      const now = performance.now();
      const dueCount = Math.min(perSecond * seconds, ((now - began) / 1000) * perSecond);
      for (; started < dueCount; started++) {
        const due = began + (started / perSecond) * 1000;
        const free = idle.pop();
        if (free) free(due);
        else if (sockets.size < connections) open(due);
        else unsent++;
      }
      if (started < perSecond * seconds || (pending > 0 && now - began < seconds * 1000 + 10_000)) return;
      clearInterval(tick);
      for (const socket of sockets) socket.destroy();
      for (const all of latencyMs.values()) all.sort((a, b) => a - b);
      resolve({ sent, unsent, statuses, latencyMs, withRetryAfter });
    }, 1);
  });
}

export const quantile = (sorted: readonly number[] | undefined, q: number): number =>
  sorted?.[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
