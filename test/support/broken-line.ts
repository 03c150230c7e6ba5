// A line to a server that breaks when a test says so: a small TCP proxy that cuts, waits, swallows answers, or
// answers 503 itself.
import { createServer, connect, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

/** What is wrong with the line; `times` counts connections, after which it is in order. */
export interface Fault {
  /** Cuts when so many bytes went to the server. */
  readonly cutUpAfter?: number;
  /** Cuts when so many bytes came back. */
  readonly cutDownAfter?: number;
  /** Lets the server do its work, and cuts before a byte of the answer. Only of requests that begin so. */
  readonly swallowAnswer?: RegExp;
  /** Changes one byte of what comes after so many, on the way there or back. */
  readonly flipUpAt?: number;
  readonly flipDownAt?: number;
  readonly answer503?: true;
  /** Waits before each piece. */
  readonly delayMs?: number;
  readonly times?: number;
}

export interface BrokenLine {
  readonly url: string;
  /** How often the fault has struck. */
  readonly struck: () => number;
  /** From now on, also for connections that are open. */
  fault(fault: Fault | undefined): Promise<void>;
}

const SLOW_DOWN = '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>';

export async function startBrokenLine(t: TestContext, port: number): Promise<BrokenLine> {
  let fault: Fault | undefined;
  let struck = 0;
  let left = 0;
  const open = new Set<Socket>();
  const flip = (chunk: Buffer, at: number | undefined, passed: number): void => {
    if (at === undefined || at < passed - chunk.length || at >= passed) return;
    chunk[at - (passed - chunk.length)]! ^= 1;
    strike();
  };
  const strike = (...sockets: Socket[]): void => {
    struck += 1;
    if (--left <= 0) fault = undefined;
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    const up = connect(port, '127.0.0.1');
    let [sent, received] = [0, 0];
    let swallowing = false;
    for (const socket of [client, up]) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => open.delete(socket));
    }
    client.on('close', () => up.destroy());
    // What the server still sent comes before its end.
    up.on('close', () => void turn.then(() => client.end()));
    let turn: Promise<unknown> = Promise.resolve();
    client.on('data', (chunk: Buffer) => void forward(chunk, true));
    up.on('data', (chunk: Buffer) => void forward(chunk, false));
    const forward = (chunk: Buffer, upwards: boolean): Promise<unknown> =>
      (turn = turn.then(async () => {
        const now = fault;
        if (now?.delayMs) await delay(now.delayMs, undefined, { ref: false });
        if (client.destroyed || (upwards && up.destroyed)) return;
        if (upwards) {
          if (now?.answer503) {
            client.write(
              `HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: ${SLOW_DOWN.length}\r\nConnection: close\r\n\r\n${SLOW_DOWN}`,
            );
            client.end();
            return strike();
          }
          if (now?.swallowAnswer?.test(chunk.subarray(0, 400).toString('latin1'))) swallowing = true;
          sent += chunk.length;
          flip(chunk, now?.flipUpAt, sent);
          if (now?.cutUpAfter !== undefined && sent > now.cutUpAfter) return strike(client, up);
          if (!up.write(chunk)) await new Promise((resolve) => up.once('drain', resolve).once('close', resolve));
        } else {
          const isInterim = chunk.subarray(0, 12).toString('latin1') === 'HTTP/1.1 100';
          if (swallowing && !isInterim) return strike(client, up);
          received += chunk.length;
          flip(chunk, now?.flipDownAt, received);
          if (now?.cutDownAfter !== undefined && received > now.cutDownAfter) {
            client.write(chunk.subarray(0, Math.max(0, chunk.length - (received - now.cutDownAfter))));
            return strike(up);
          }
          if (!client.write(chunk)) await new Promise((resolve) => client.once('drain', resolve).once('close', resolve));
        }
      }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    struck: () => struck,
    fault: async (next) => {
      fault = next;
      left = next?.times ?? Infinity;
      struck = 0;
      // What is kept open between requests has counted bytes already.
      for (const socket of open) socket.destroy();
      // Clients hear of it before they send their next request over one of them.
      await delay(20);
    },
  };
}
