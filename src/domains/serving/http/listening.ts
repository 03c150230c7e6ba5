// The addresses of a data plane: one for HTTP, one for each protocol with a port of its own, and where several processes share these,
// one more by which exactly this process can be asked.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ListenerContext, ServingListener } from './protocol.ts';

export interface ListeningOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Other processes listen on the same ports, and the system spreads connections over them. Linux only. */
  readonly reusePort: boolean;
  readonly tls: boolean;
  /** Makes a server of HTTP. */
  readonly front: () => Server;
  readonly listeners: readonly ServingListener[];
  readonly context: (listener: string) => ListenerContext;
}

export interface Listening {
  readonly url: string;
  /** Of this process alone. */
  readonly ownUrl: string;
  readonly urls: Readonly<Record<string, string>>;
  /** Takes no more connections, and waits for those that there are. */
  close(): Promise<void>;
}

/** Connections that come at once: with the usual 511 the others are tried again after a second, and later. */
const BACKLOG = 4096;
const LATE_MS = 5000;

/** Nothing listens when it fails. */
export async function listen({ host, port, reusePort, tls, front, listeners, context }: ListeningOptions): Promise<Listening> {
  const servers: Server[] = [];
  const opened: Awaited<ReturnType<ServingListener['open']>>[] = [];
  const close = async (): Promise<void> => {
    const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    const late = setTimeout(() => servers.forEach((server) => server.closeAllConnections()), LATE_MS);
    await Promise.all([...closed, ...opened.map((listener) => listener.close())]);
    clearTimeout(late);
  };
  const start = async (at: { host: string; port: number; reusePort: boolean }): Promise<string> => {
    const server = front();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen({ ...at, backlog: BACKLOG }, resolve));
    servers.push(server);
    return `http${tls ? 's' : ''}://${at.host.includes(':') ? `[${at.host}]` : at.host}:${(server.address() as AddressInfo).port}`;
  };
  try {
    const url = await start({ host, port, reusePort });
    const ownUrl = reusePort ? await start({ host: '127.0.0.1', port: 0, reusePort: false }) : url;
    const urls: Record<string, string> = {};
    for (const { name, open } of listeners) {
      const listener = await open(context(name));
      opened.push(listener);
      urls[name] = listener.url;
    }
    return { url, ownUrl, urls, close };
  } catch (error) {
    await close();
    throw error;
  }
}
