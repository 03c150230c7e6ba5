// A client that works all the time: what it is told goes into the journal, what it is not told it asks again.
import { setTimeout as delay } from 'node:timers/promises';
import { ask, insist as insistUntil, Unanswered, type Ask, type Heard } from './http.ts';
import type { Journal } from './journal.ts';
import { killedTooOften } from './oracle.ts';
import { FILES, IDS, NOW, PROJECT, type RowsFile } from './project.ts';
import type { System } from './system.ts';

export interface Workload {
  /** Lets what is under way come to its end; answers what went wrong. */
  stop(): Promise<readonly string[]>;
  /** Ends without an answer: the server does not come back. */
  abandon(): void;
  /** Whatever the server said that it must not say: a status of 5xx, or a refusal of what is right. */
  readonly complaints: readonly string[];
}

interface Parts {
  readonly system: System;
  readonly journal: Journal;
  readonly rows: readonly RowsFile[];
  readonly random: () => number;
}

export async function startWorkload({ system, journal, rows, random }: Parts): Promise<Workload> {
  const complaints: string[] = [];
  const lost = new AbortController();
  const insist = (request: Ask): Promise<Heard> => insistUntil(request, lost.signal);
  let stopped = false;
  let serial = 0;
  const api = (path: string): string => `${system.url}/api/gyre/v1${path}`;
  const mlflow = (path: string): string => `${system.url}/api/2.0/mlflow/${path}`;
  const project = (path: string): string => api(`/projects/${PROJECT}${path}`);

  const good = (what: string, heard: Heard, ...also: number[]): boolean => {
    if (heard.status < 300) return true;
    if (!also.includes(heard.status)) complaints.push(`${what}: ${heard.status} ${JSON.stringify(heard.body)}`);
    return false;
  };

  /** A create with a key: the same key until there is an answer. After a refusal "in progress", `find` says whether it is there. */
  const create = async (request: Ask, find: () => Promise<Heard | undefined>): Promise<Heard> => {
    for (;;) {
      const key = `key-${serial++}`;
      const heard = await insist({ ...request, key });
      if (heard.get('code') !== 'idempotency-in-progress') return heard;
      const found = await find();
      if (found) return found;
    }
  };
  const findIn = async (url: string, wanted: (item: Record<string, unknown>) => boolean): Promise<Heard | undefined> => {
    const heard = await insist({ url });
    const item = heard.get<Record<string, unknown>[]>('items').find(wanted);
    return item && { status: 201, body: item, get: <T>(name: string) => item[name] as T };
  };

  const track = async (): Promise<void> => {
    const made = await insist({ url: mlflow('runs/create'), body: { experiment_id: '0', run_name: `crash-${serial++}` } });
    if (!good('runs/create', made)) return;
    const run = made.get('run.info.run_id');
    for (let i = 0; i < 20 && !stopped; i++) {
      const step = serial++;
      const metric = (key: string) => ({ key, value: step / 2, timestamp: step, step });
      const body = { run_id: run, metrics: [metric('a'), metric('b')], params: [{ key: `p${step}`, value: String(step) }] };
      if (good('log-batch', await insist({ url: mlflow('runs/log-batch'), body }))) journal.note('batch', { run, step });
      await delay(25);
    }
    const [text, path] = [`text ${serial}`, `0/${run}/artifacts/note-${serial}.txt`];
    const put = await insist({ url: `${system.url}/api/2.0/mlflow-artifacts/artifacts/${path}`, method: 'PUT', body: Buffer.from(text) });
    if (good('artifact', put)) journal.note('artifact', { path, text });
  };

  let pushed = 0;
  const push = async (): Promise<void> => {
    const last = (pushed++ % FILES) + 1;
    const files = rows.slice(0, last);
    for (const file of files.slice(-1)) await insist({ url: api(`/blobs/${file.digest}`), method: 'PUT', body: file.bytes });
    const missing = await insist({ url: api('/blobs/missing'), body: { digests: files.map((f) => f.digest) } });
    for (const digest of missing.get<string[]>('missing'))
      await insist({ url: api(`/blobs/${digest}`), method: 'PUT', body: rows.find((f) => f.digest === digest)!.bytes });
    const body = { files: files.map(({ path, digest }) => ({ path, digest })) };
    // The same files again give the version there is, so no key is needed.
    const heard = await insist({ url: project('/datasets/rows/versions'), body });
    if (good('push', heard, 400, 500))
      journal.note('version', { id: heard.get('version.id'), number: heard.get('version.number'), rows: last * IDS });
    else if (heard.get('code') !== 'compute-failed') complaints.push(`push: ${JSON.stringify(heard.body)}`);
    await delay(150);
  };

  const run = (pipeline: string, pauseMs: number) => async (): Promise<void> => {
    const n = serial++;
    const reason = `${pipeline} ${n}`;
    const heard = await create({ url: project(`/pipelines/${pipeline}/runs`), body: { params: { n }, reason } }, () =>
      findIn(project('/runs?limit=1000'), (item) => (item.trigger as { reason: string }).reason === reason),
    );
    if (!good('run', heard)) return;
    const id = heard.get('id');
    journal.note('run', { id, reason });
    for (;;) {
      const now = await insist({ url: api(`/runs/${id}`) });
      const state = now.get('state');
      if (state === 'succeeded') journal.note('ended', { id, n, pipeline });
      const why = now
        .get<{ error: { detail: string } | null }[]>('steps')
        .flatMap((s) => (s.error ? [s.error.detail] : []))
        .join();
      if (state === 'failed' && !killedTooOften.test(why)) complaints.push(`run ${reason} failed: ${why}`);
      if (state !== 'running') break;
      await delay(100);
    }
    await delay(pauseMs);
  };

  const release = async (): Promise<void> => {
    const versions = await insist({ url: api('/models/flat/versions?limit=1') });
    const newest = versions.status === 200 ? versions.get<{ number: number }[]>('items')[0] : undefined;
    if (newest === undefined) return delay(100);
    await insist({ url: api(`/models/flat/versions/${newest.number}/decide`), body: {} });
    const reason = `release ${serial++}`;
    const heard = await create({ url: project('/endpoints/flat/releases'), body: { version: String(newest.number), reason } }, () =>
      findIn(project('/endpoints/flat/releases?limit=1000'), (item) => item.reason === reason && item.state === 'promoted'),
    );
    // A data plane that was killed in the middle, or did not come back in time, is a reason to say so.
    if (good('release', heard, 409)) journal.note('release', { id: heard.get('id'), reason });
    await delay(300);
  };

  const predict = async (): Promise<void> => {
    const x = serial++ % 1000;
    const heard = await ask({ url: `${system.serveUrl}/endpoints/flat/predict`, body: { inputs: { id: String(x % IDS), x } } });
    if (heard.get('code') === 'endpoint-not-served') return delay(100);
    if (good('predict', heard)) journal.note('prediction', { id: heard.get('predictionId'), x, score: heard.get('score') });
    await delay(30);
  };

  const ship = async (): Promise<void> => {
    await delay(400 + random() * 400);
    // It ships first and then waits for work that this client never lets come to rest.
    await ask({ url: project('/timeline/advance'), body: { to: NOW }, patienceMs: 2000 });
  };

  const loop = async (act: () => Promise<void>): Promise<void> => {
    while (!stopped) {
      try {
        await act();
      } catch (error) {
        if (!(error instanceof Unanswered)) complaints.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
        await delay(25);
      }
    }
  };
  // A model is evaluated on rows, so there are rows first.
  await push();
  const loops = [track, track, push, run('work', 0), run('work', 50), run('model', 300), release, predict, predict, ship].map(loop);

  return {
    complaints,
    stop: async () => {
      stopped = true;
      await Promise.all(loops);
      return complaints;
    },
    abandon: () => {
      stopped = true;
      lost.abort();
    },
  };
}
