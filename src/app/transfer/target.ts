// The server that takes something over, as an import speaks to it. All of it may be said twice, so what finds the server
// busy or away is said again.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { path, type Client } from '../../kernel/cli/client.ts';
import { isProblem } from '../../kernel/errors.ts';
import type { TakenExperiment, TakenLoggedModel, TakenRun } from '../../domains/tracking/public.ts';
import type { TakenModel } from '../../domains/registry/public.ts';
import { collect } from './collect.ts';
import type { SourceFile, SourceMetric } from './source.ts';

export type Kind = 'run' | 'logged-model' | 'model';
export interface Became {
  readonly sourceId: string;
  readonly targetId: string;
  readonly fingerprint: string | null;
}
export interface Compared {
  readonly id: string;
  readonly record: string;
  readonly params: number;
  readonly tags: number;
  readonly points: number;
  readonly metrics: string;
}
export interface FilesCompared {
  readonly id: string;
  readonly files: number;
  readonly bytes: number;
  readonly digest: string;
}

const TRIES = 5;
/** Below what a server takes as one body. */
const BODY_BYTES = 3_000_000;
const POINTS = 20_000;
const SMALL_BYTES = 1_000_000;

async function again<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++)
    try {
      return await ask();
    } catch (error) {
      const passes = isProblem(error) && (error.status === 503 || error.status === 429 || error.code === 'server-unreachable');
      if (!passes || attempt === TRIES) throw error;
      await wait(200 * 2 ** attempt * (0.5 + Math.random()));
    }
}

/** JSON has no NaN and no infinities. */
const asJson = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

/** Lists that each fit into one request. */
export function* inBodies<T>(items: readonly T[], most: number): Generator<T[]> {
  let held: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = JSON.stringify(item).length;
    if (held.length > 0 && (held.length >= most || bytes + size > BODY_BYTES)) {
      yield held;
      [held, bytes] = [[], 0];
    }
    held.push(item);
    bytes += size;
  }
  if (held.length > 0) yield held;
}

export type Target = ReturnType<typeof openTarget>;

export function openTarget(client: Client) {
  let id = '';
  const post = <T>(what: string, body: unknown): Promise<T> => again(() => client.post<T>(`${path`/imports/${id}`}/${what}`, body));
  return {
    get id() {
      return id;
    },
    begin: async (source: string, origin: string, place: string): Promise<void> => {
      ({ id } = await again(() => client.post<{ id: string }>('/imports', { source, origin, place })));
    },
    experiment: async (e: TakenExperiment & { into: boolean }): Promise<string> => (await post<{ id: string }>('experiments', e)).id,
    became: async (kind: 'run' | 'logged-model', ids: readonly string[]): Promise<Map<string, Became>> => {
      const found = new Map<string, Became>();
      const all = [...new Set(ids)];
      for (let i = 0; i < all.length; i += 2000)
        for (const item of (await post<{ items: Became[] }>('ids', { kind, ids: all.slice(i, i + 2000) })).items)
          found.set(item.sourceId, item);
      return found;
    },
    runs: async (experimentId: string, runs: readonly TakenRun[]): Promise<void> => {
      for (const some of inBodies(runs, 500)) await post('runs', { experimentId, runs: some });
    },
    /** Sends points as they come, many in one request. */
    metrics: () => {
      let held: { run: string; key: string; points: (readonly [number, number, number | string])[] }[] = [];
      let count = 0;
      const flush = async (): Promise<void> => {
        const metrics = held;
        [held, count] = [[], 0];
        if (metrics.length > 0) await post('metrics', { metrics });
      };
      return {
        add: async (run: string, { key, points }: SourceMetric): Promise<void> => {
          for (let i = 0; i < points.length; i += POINTS) {
            const some = points.slice(i, i + POINTS).map(([ms, step, value]) => [ms, step, asJson(value)] as const);
            held.push({ run, key, points: some });
            count += some.length;
            if (count >= POINTS || held.length >= 5000) await flush();
          }
        },
        flush,
      };
    },
    loggedModel: (m: TakenLoggedModel): Promise<void> =>
      post('logged-models', { ...m, metrics: m.metrics.map((x) => ({ ...x, value: asJson(x.value) })) }),
    seal: (ids: readonly string[]): Promise<void> => post('seal', { ids }),
    model: (sourceName: string, m: TakenModel) =>
      post<{ made: number; sealed: number; refused: { alias: string; why: string }[] }>('models', { sourceName, ...m }),
    done: async (kind: Kind, items: readonly { sourceId: string; fingerprint: string }[]): Promise<void> => {
      if (items.length > 0) await post('done', { kind, items });
    },
    /** Sends a file; answers size and digest of what was read, which are those of what was written. */
    file: async (kind: 'run' | 'logged-model', owner: string, file: SourceFile): Promise<{ sizeBytes: number; digest: string }> => {
      const query = new URLSearchParams({ kind, id: owner, path: file.path });
      const to = `${path`/imports/${id}`}/artifacts?${query}`;
      type Written = { sizeBytes: number; digest: string };
      const read = { sizeBytes: 0, digest: '' };
      const written = await again(async () => {
        const hash = createHash('sha256');
        read.sizeBytes = 0;
        const hashed = hashing(await file.open(), (chunk) => {
          hash.update(chunk);
          read.sizeBytes += chunk.length;
        });
        const body = file.sizeBytes <= SMALL_BYTES ? Buffer.concat(await collect(hashed)) : hashed;
        const answer = await client.put<Written>(to, body instanceof Uint8Array ? body : Readable.from(body));
        read.digest = hash.digest('hex');
        return answer;
      });
      if (written.sizeBytes !== read.sizeBytes || written.digest !== read.digest)
        throw new Error(`${file.path} arrived as other bytes than it left`);
      return written;
    },
    digests: async (kind: Kind, ids: readonly string[]): Promise<Compared[]> =>
      (await post<{ items: Compared[] }>('digests', { kind, ids })).items,
    fileDigests: async (kind: 'run' | 'logged-model', ids: readonly string[]): Promise<FilesCompared[]> =>
      (await post<{ items: FilesCompared[] }>('artifact-digests', { owners: ids.map((owner) => ({ kind, id: owner })) })).items,
    end: (verified: boolean, counts: Readonly<Record<string, number>>): Promise<unknown> => post('end', { verified, counts }),
  };
}

async function* hashing(source: AsyncIterable<unknown>, see: (chunk: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    see(chunk as Buffer);
    yield chunk as Buffer;
  }
}
