// A small receiver of alerts, as a team would have one: it checks each delivery's signature and its age, takes
// a repeated delivery once, and keeps what it heard.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Heard {
  readonly delivery: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Receiver {
  readonly url: string;
  readonly heard: readonly Heard[];
  /** Deliveries that were not signed with the secret. */
  readonly refused: () => number;
  close(): Promise<void>;
}

const MAX_AGE_MS = 5 * 60_000;

export async function startReceiver(secret: string): Promise<Receiver> {
  const heard = new Map<string, Heard>();
  let refused = 0;
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const header = (name: string): string => String(request.headers[name] ?? '');
      const stamp = header('gyre-timestamp');
      const expected = `v1=${createHmac('sha256', secret).update(`${stamp}.${text}`).digest('hex')}`;
      const given = Buffer.from(header('gyre-signature'));
      const signed = given.length === expected.length && timingSafeEqual(given, Buffer.from(expected));
      if (!signed || Math.abs(Date.now() - Number(stamp) * 1000) > MAX_AGE_MS) {
        refused++;
        response.writeHead(401).end();
        return;
      }
      const delivery = header('gyre-delivery');
      if (!heard.has(delivery)) heard.set(delivery, { delivery, body: JSON.parse(text) as Record<string, unknown> });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`,
    get heard() {
      return [...heard.values()];
    },
    refused: () => refused,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
