// The tracking API as a run of a command uses it: the same wire as any MLflow client's.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { request } from '../../kernel/cli/client.ts';
import { defineErrors } from '../../kernel/errors.ts';

const { fail } = defineErrors({
  'tracking-refused': {
    status: 400,
    title: 'The server refused to track the run',
    detail: (p: { message: string }) => p.message,
  },
  'tracking-denied': {
    status: 403,
    title: 'The run may not be tracked there',
    detail: (p: { message: string }) => p.message,
  },
});

export interface TrackedRun {
  readonly id: string;
  readonly name: string;
  readonly experimentId: string;
  readonly artifactUri: string;
}

export interface RunRecord {
  readonly info: {
    readonly run_id: string;
    readonly run_name: string;
    readonly experiment_id: string;
    readonly status: string;
    readonly artifact_uri: string;
  };
  readonly data?: {
    readonly metrics?: readonly { readonly key: string; readonly value: number | string }[];
    readonly params?: readonly { readonly key: string; readonly value: string }[];
    readonly tags?: readonly { readonly key: string; readonly value: string }[];
  };
}

export interface DatasetRecord {
  readonly name: string;
  readonly digest: string;
  readonly source: string;
  readonly tags: Readonly<Record<string, string>>;
}

export interface Connection {
  readonly url: string;
  readonly token: string;
  /** Name and password, where there is no token. */
  readonly login: { readonly user: string; readonly password: string } | null;
  readonly workspace: string;
}

const API = '/api/2.0/mlflow';
const TAG_VALUE = 8000;
const TAGS_AT_ONCE = 100;
const INPUTS_AT_ONCE = 200;
const pairs = (tags: Readonly<Record<string, string>>): { key: string; value: string }[] =>
  Object.entries(tags).map(([key, value]) => ({ key, value: value.slice(0, TAG_VALUE) }));

export type TrackingServer = ReturnType<typeof openTrackingServer>;

export function openTrackingServer({ url, token, login, workspace }: Connection) {
  const basic = login && `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}`;
  const authorization = token ? `Bearer ${token}` : basic;
  const headers: Record<string, string> = {
    ...(authorization ? { authorization } : {}),
    ...(workspace === 'default' ? {} : { 'x-mlflow-workspace': workspace }),
  };
  const send = async (method: string, route: string, init: RequestInit): Promise<Response> => {
    const all = { ...headers, ...(init.headers as Record<string, string>) };
    const response = await fetch(url + route, { ...init, method, headers: all });
    if (response.ok) return response;
    const text = await response.text();
    let message = text.slice(0, 500);
    try {
      const body = JSON.parse(text) as { message?: string; detail?: string };
      message = body.message ?? body.detail ?? message;
    } catch {
      // It is told as it came.
    }
    return response.status === 401 || response.status === 403
      ? fail('tracking-denied', { message })
      : fail('tracking-refused', { message });
  };
  const post = async <T>(route: string, body: unknown): Promise<T> => {
    const init = { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    return (await (await send('POST', API + route, init)).json()) as T;
  };
  const get = async <T>(route: string): Promise<T> => (await (await send('GET', API + route, {})).json()) as T;

  return {
    url,
    /** Raises `server-unreachable`. */
    greet: async (): Promise<void> => void (await request(url, '/version', {})),
    /** The experiment of that name, made if there is none. Raises `tracking-refused`, `tracking-denied`. */
    experiment: async (name: string): Promise<string> => {
      try {
        return (await post<{ experiment_id: string }>('/experiments/create', { name })).experiment_id;
      } catch (error) {
        const found = await get<{ experiment: { experiment_id: string; lifecycle_stage: string } }>(
          `/experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`,
        ).catch(() => undefined);
        if (!found || found.experiment.lifecycle_stage !== 'active') throw error;
        return found.experiment.experiment_id;
      }
    },
    createRun: async (
      experimentId: string,
      name: string,
      user: string,
      startMs: number,
      tags: Readonly<Record<string, string>>,
    ): Promise<TrackedRun> => {
      const body = { experiment_id: experimentId, run_name: name, user_id: user, start_time: startMs, tags: pairs(tags) };
      const { info } = (await post<{ run: RunRecord }>('/runs/create', body)).run;
      return { id: info.run_id, name: info.run_name, experimentId: info.experiment_id, artifactUri: info.artifact_uri };
    },
    getRun: async (id: string): Promise<RunRecord> => (await get<{ run: RunRecord }>(`/runs/get?run_id=${encodeURIComponent(id)}`)).run,
    setTags: async (id: string, tags: Readonly<Record<string, string>>): Promise<void> => {
      const all = pairs(tags);
      for (let i = 0; i < all.length; i += TAGS_AT_ONCE)
        await post('/runs/log-batch', { run_id: id, metrics: [], params: [], tags: all.slice(i, i + TAGS_AT_ONCE) });
    },
    logInputs: async (id: string, datasets: readonly DatasetRecord[]): Promise<void> => {
      for (let i = 0; i < datasets.length; i += INPUTS_AT_ONCE)
        await post('/runs/log-inputs', {
          run_id: id,
          datasets: datasets.slice(i, i + INPUTS_AT_ONCE).map(({ tags, ...dataset }) => ({
            tags: pairs(tags),
            dataset: { ...dataset, source_type: 'local' },
          })),
        });
    },
    endRun: (id: string, status: 'FINISHED' | 'FAILED' | 'KILLED', endMs: number): Promise<unknown> =>
      post('/runs/update', { run_id: id, status, end_time: endMs }),
    runningRuns: async (experimentId: string, filter: string): Promise<readonly RunRecord[]> =>
      (await post<{ runs?: RunRecord[] }>('/runs/search', { experiment_ids: [experimentId], filter, max_results: 100 })).runs ?? [],
    /** Sends one artifact; through the run where the root is not the server's own to give. */
    upload: async (run: TrackedRun, path: string, content: Buffer | { readonly file: string }): Promise<number> => {
      const size = Buffer.isBuffer(content) ? content.length : (await stat(content.file)).size;
      const body = Buffer.isBuffer(content) ? new Uint8Array(content) : (Readable.toWeb(createReadStream(content.file)) as ReadableStream);
      const init = { body, duplex: 'half', headers: { 'content-type': 'application/octet-stream' } } as RequestInit;
      const encoded = path.split('/').map(encodeURIComponent).join('/');
      const proxied = /^mlflow-artifacts:(?:\/\/[^/]*)?\/*(.*)$/.exec(run.artifactUri);
      if (proxied) await send('PUT', `/api/2.0/mlflow-artifacts/artifacts/${proxied[1]!}/${encoded}`, init);
      else await send('POST', `/ajax-api/2.0/mlflow/upload-artifact?run_uuid=${run.id}&path=${encodeURIComponent(path)}`, init);
      return size;
    },
  };
}
