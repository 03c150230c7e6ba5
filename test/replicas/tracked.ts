// Clients that log as training scripts do, and write down what was acknowledged; and the comparison of that with what
// is there. A request that was not answered, or answered 503, is repeated by nobody: it may be there or not.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from './control-planes.ts';

export interface Way {
  readonly post: (path: string, body: object) => Promise<Answer>;
  readonly put?: (path: string, bytes: string) => Promise<number>;
}

export interface Acknowledged {
  runs: { id: string; name: string }[];
  metrics: { run: string; step: number }[];
  batches: { run: string; step: number }[];
  tags: { run: string; key: string; value: string }[];
  artifacts: { path: string; text: string }[];
  models: { name: string; versions: string[] }[];
  aliases: { name: string; version: string }[];
}

export interface Tracking {
  readonly acknowledged: Acknowledged;
  /** Answers that no client may get, whatever is down. */
  readonly complaints: string[];
  /** How many requests were answered 200. */
  readonly count: () => number;
  readonly stop: () => Promise<void>;
}

const MAY_COME = [0, 200, 503];

/** Starts `clients` loops; each asks the way that `ways` gives it at that moment. */
export function startTracking(ways: () => readonly Way[], clients: number, pauseMs = 0): Tracking {
  const acknowledged: Acknowledged = { runs: [], metrics: [], batches: [], tags: [], artifacts: [], models: [], aliases: [] };
  const complaints: string[] = [];
  let stopped = false;
  let good = 0;
  let serial = 0;

  const client = async (number: number): Promise<void> => {
    let run: string | undefined;
    const send = async (path: string, body: object): Promise<Answer | undefined> => {
      const all = ways();
      const answer = await all[(number + serial++) % all.length]!.post(path, body);
      if (answer.status === 200) {
        good += 1;
        if (pauseMs > 0) await delay(pauseMs);
        return answer;
      }
      if (!MAY_COME.includes(answer.status)) complaints.push(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      if (answer.status === 503 && answer.body.error_code !== 'TEMPORARILY_UNAVAILABLE') complaints.push(JSON.stringify(answer.body));
      await delay(50);
      return undefined;
    };
    for (let step = 0; !stopped; step++) {
      if (run === undefined || step % 12 === 0) {
        const name = `run ${number} ${step}`;
        const made = await send('runs/create', { experiment_id: '0', run_name: name, start_time: 1 });
        const { info } = (made?.body as unknown as { run?: { info: { run_id: string } } } | undefined)?.run ?? {};
        if (!info) continue;
        run = info.run_id;
        acknowledged.runs.push({ id: run, name });
      }
      const at: string = run;
      if (await send('runs/log-metric', { run_id: at, key: 'single', value: step, timestamp: step + 1, step }))
        acknowledged.metrics.push({ run: at, step });
      const metrics = ['a', 'b'].map((key) => ({ key, value: step, timestamp: step + 1, step }));
      if (await send('runs/log-batch', { run_id: at, metrics, params: [{ key: `p${step}`, value: String(step) }], tags: [] }))
        acknowledged.batches.push({ run: at, step });
      if (await send('runs/set-tag', { run_id: at, key: `t${step}`, value: 'x' }))
        acknowledged.tags.push({ run: at, key: `t${step}`, value: 'x' });
      const all = ways();
      const { put } = all[number % all.length]!;
      if (put && step % 4 === 0) {
        const [path, text] = [`0/${at}/artifacts/${number}-${step}.txt`, `text of ${at} ${step}`];
        const status = await put(path, text);
        if (status === 200) acknowledged.artifacts.push({ path, text });
        else if (![0, 503].includes(status)) complaints.push(`artifact ${path}: ${status}`);
      }
      if (step % 12 === 3) {
        const name = `model ${number} ${step} ${at}`;
        if (!(await send('registered-models/create', { name }))) continue;
        const model = { name, versions: [] as string[] };
        acknowledged.models.push(model);
        const made = await send('model-versions/create', { name, source: `mlflow-artifacts:/0/${at}/artifacts/m`, run_id: at });
        const version = (made?.body as unknown as { model_version?: { version: string } } | undefined)?.model_version?.version;
        if (version === undefined) continue;
        model.versions.push(version);
        if (await send('registered-models/alias', { name, alias: 'best', version })) acknowledged.aliases.push({ name, version });
      }
    }
  };
  const loops = Array.from({ length: clients }, (_, number) => client(number));
  return {
    acknowledged,
    complaints,
    count: () => good,
    stop: async () => {
      stopped = true;
      await Promise.all(loops);
    },
  };
}

/** Everything acknowledged is there, once, and nothing is there by halves. `get` answers 200 or fails the test. */
export async function compareTracked(get: (path: string) => Promise<Answer>, { acknowledged }: Tracking): Promise<void> {
  const api = async <T>(path: string): Promise<T> => {
    const answer = await get(`/api/2.0/mlflow/${path}`);
    assert.equal(answer.status, 200, `${path}: ${JSON.stringify(answer.body)}`);
    return answer.body as T;
  };
  const stepsOf = async (run: string, key: string): Promise<number[]> => {
    const { metrics = [] } = await api<{ metrics?: { step: number }[] }>(`metrics/get-history?run_id=${run}&metric_key=${key}`);
    return metrics.map((m) => m.step).sort((x, y) => x - y);
  };
  const of = <T extends { run: string }>(items: readonly T[], run: string): T[] => items.filter((item) => item.run === run);
  for (const { id, name } of acknowledged.runs) {
    const { run } = await api<{
      run: { info: { run_name: string }; data: { params?: { key: string }[]; tags?: { key: string; value: string }[] } };
    }>(`runs/get?run_id=${id}`);
    assert.equal(run.info.run_name, name);
    const params = new Set((run.data.params ?? []).map((p) => p.key));
    const tags = new Set((run.data.tags ?? []).map((x) => x.key));
    for (const { key } of of(acknowledged.tags, id)) assert.ok(tags.has(key), `tag ${key} of ${id}`);
    const none = { single: of(acknowledged.metrics, id).length, batch: of(acknowledged.batches, id).length };
    if (none.single > 0) {
      const single = await stepsOf(id, 'single');
      assert.equal(new Set(single).size, single.length, `no point of ${id} is there twice`);
      for (const { step } of of(acknowledged.metrics, id)) assert.ok(single.includes(step), `metric at ${step} of ${id}`);
    }
    if (none.batch === 0) continue;
    const [a, b] = [await stepsOf(id, 'a'), await stepsOf(id, 'b')];
    assert.deepEqual(a, b, `a batch of ${id} is there whole or not at all`);
    assert.equal(new Set(a).size, a.length, `no batch of ${id} is there twice`);
    assert.equal(params.size, a.length, `params and metrics of a batch of ${id} come together`);
    for (const { step } of of(acknowledged.batches, id)) assert.ok(a.includes(step) && params.has(`p${step}`), `batch ${step} of ${id}`);
  }
  for (const { name, versions } of acknowledged.models)
    for (const version of versions) await api(`model-versions/get?${new URLSearchParams({ name, version }).toString()}`);
  for (const { name, version } of acknowledged.aliases) {
    const found = await api<{ model_version: { version: string } }>(
      `registered-models/alias?${new URLSearchParams({ name, alias: 'best' }).toString()}`,
    );
    assert.equal(found.model_version.version, version, `alias of ${name}`);
  }
  // The chain of events has no gap and no event without a number.
  const audit = await get('/api/gyre/v1/audit/verify');
  assert.deepEqual((audit.body as unknown as { faults: unknown[] }).faults, []);
}
