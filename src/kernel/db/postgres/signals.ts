// Words between the replicas of one database, by LISTEN and NOTIFY: "there is work". They carry no content and may be
// lost; whoever missed them looks by himself every few seconds.
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { Signals } from '../database.ts';

const AGAIN_MS = 1000;
// A burst of commits is one word.
const GATHER_MS = 20;

export function openSignals(connect: () => pg.Client, pool: pg.Pool): Signals & { close: () => Promise<void> } {
  const self = randomBytes(6).toString('hex');
  const hearers: ((topic: string) => void)[] = [];
  const waiting = new Set<string>();
  let gathering: NodeJS.Timeout | undefined;
  let reconnecting: NodeJS.Timeout | undefined;
  let client: pg.Client | undefined;
  let closed = false;
  let channel: Promise<string> | undefined;

  // Tests share a server; each has a schema of its own.
  const channelOf = (): Promise<string> =>
    (channel ??= pool
      .query<{ name: string }>('select current_schema() as name')
      .then(({ rows }) => `gyre_${rows[0]!.name}`)
      .catch((error: unknown) => {
        channel = undefined;
        throw error;
      }));

  const tell = async (): Promise<void> => {
    gathering = undefined;
    const topics = [...waiting].join(' ');
    waiting.clear();
    if (!closed) await pool.query('select pg_notify($1, $2)', [await channelOf(), `${self} ${topics}`]);
  };

  const listen = async (): Promise<void> => {
    const mine = connect();
    client = mine;
    const lost = (): void => {
      if (client !== mine || closed) return;
      client = undefined;
      reconnecting = setTimeout(() => void listen().catch(() => undefined), AGAIN_MS).unref();
      void mine.end().catch(() => undefined);
    };
    mine.on('error', lost);
    mine.on('end', lost);
    mine.on('notification', ({ payload = '' }) => {
      const [from, ...topics] = payload.split(' ');
      if (from !== self) for (const topic of topics) for (const hear of hearers) hear(topic);
    });
    try {
      await mine.connect();
      await mine.query(`listen "${await channelOf()}"`);
      // What was said while nobody listened.
      for (const hear of hearers) hear('all');
    } catch {
      lost();
    }
  };

  return {
    send: (topic) => {
      waiting.add(topic);
      gathering ??= setTimeout(() => void tell().catch(() => undefined), GATHER_MS).unref();
    },
    hear: (hearer) => {
      hearers.push(hearer);
      if (hearers.length === 1) void listen();
    },
    close: async () => {
      closed = true;
      clearTimeout(gathering);
      clearTimeout(reconnecting);
      await client?.end().catch(() => undefined);
    },
  };
}
