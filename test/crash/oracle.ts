// What must be true when the dust has settled: everything acknowledged is there exactly once, and nothing is
// there by halves. Asked through the public API; the counter file is the steps' own word.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ask, insist } from './http.ts';
import type { Journal } from './journal.ts';
import { FILES, IDS, PROJECT } from './project.ts';
import type { System } from './system.ts';

/** What a run may fail of here: its own process, or the query it waited for, was killed again and again. */
export const killedTooOften = /its process vanished|the process ended \(SIGKILL\)/;

export async function checkAll(system: System, journal: Journal): Promise<void> {
  const api = (path: string): string => `${system.url}/api/gyre/v1${path}`;
  const get = async <T>(path: string): Promise<T> => {
    const heard = await ask({ url: path.startsWith('http') ? path : api(path) });
    assert.equal(heard.status, 200, `${path}: ${JSON.stringify(heard.body)}`);
    return heard.body as T;
  };
  const all = async <T>(path: string): Promise<T[]> => {
    const items: T[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: { items: T[]; nextCursor: string | null } = await get(
        `${path}?limit=1000${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      items.push(...page.items);
      cursor = page.nextCursor;
    }
    return items;
  };

  await insist({ url: api('/settle'), body: {} });
  const audit = await get<{ ok: boolean; events: number; faults: unknown[] }>('/audit/verify');
  assert.deepEqual(audit.faults, [], 'the chain of events is whole');

  // Tracking: each batch once, and all of it.
  const batches = Map.groupBy(journal.read('batch'), (b) => b.run);
  for (const [run, acknowledged] of batches) {
    const history = async (key: string): Promise<number[]> =>
      (
        await get<{ metrics?: { step: number }[] }>(`${system.url}/api/2.0/mlflow/metrics/get-history?run_id=${run}&metric_key=${key}`)
      ).metrics!.map((m) => m.step);
    const [a, b] = [await history('a'), await history('b')];
    assert.equal(new Set(a).size, a.length, 'no point is there twice');
    assert.deepEqual(a.sort(), b.sort(), 'a batch is there whole or not at all');
    const { data } = (await get<{ run: { data: { params: { key: string }[] } } }>(`${system.url}/api/2.0/mlflow/runs/get?run_id=${run}`))
      .run;
    const params = new Set(data.params.map((p) => p.key));
    assert.equal(params.size, a.length, 'params and metrics of a batch come together');
    for (const { step } of acknowledged) assert.ok(a.includes(step) && params.has(`p${step}`), `batch ${step} of ${run} is there`);
  }
  for (const { path, text } of journal.read('artifact')) {
    const heard = await ask({ url: `${system.url}/api/2.0/mlflow-artifacts/artifacts/${path}` });
    assert.equal(heard.body, text, `artifact ${path}`);
  }

  // Datasets: numbers without a gap, files and rows of the current one readable.
  const versions = await all<{ id: string; number: number; rows: number; state: string }>(`/projects/${PROJECT}/datasets/rows/versions`);
  assert.deepEqual(
    versions.map((v) => v.number),
    versions.map((_, i) => versions.length - i),
    'versions are numbered without a gap',
  );
  for (const { id, number, rows } of journal.read('version')) {
    const found = versions.find((v) => v.id === id);
    assert.deepEqual(found && [found.number, found.rows], [number, rows], `dataset version ${id}`);
  }
  for (const { id, rows } of versions.slice(0, FILES)) {
    const read = await get<{ items: unknown[] }>(`/dataset-versions/${id}/rows?limit=1000`);
    assert.equal(read.items.length, rows, `rows of ${id}`);
  }

  // Features: the online store holds what the current version says.
  const current = versions[0]!;
  const online = await ask({
    url: api(`/projects/${PROJECT}/features/plain/online`),
    body: { entities: Array.from({ length: IDS }, (_, id) => ({ id: String(id) })), asOf: '2013-01-31T00:00:00Z' },
  });
  assert.deepEqual(
    online.get<{ z: number }[]>('items').map((item) => item.z),
    Array.from({ length: IDS }, () => current.rows / IDS - 1),
    'the online store is filled from the current version',
  );

  // Runs: one for each reason, and every step's command ran once for each attempt.
  const runs = await all<{ id: string; state: string; pipeline: string; trigger: { reason: string } }>(`/projects/${PROJECT}/runs`);
  assert.equal(new Set(runs.map((r) => r.trigger.reason)).size, runs.length, 'no run was started twice');
  for (const { id, reason } of journal.read('run')) assert.equal(runs.find((r) => r.id === id)?.trigger.reason, reason);
  for (const { id, state } of runs.filter((r) => r.state !== 'succeeded')) {
    const { steps } = await get<{ steps: { error: { detail: string } | null }[] }>(`/runs/${id}`);
    const why = steps.flatMap((s) => (s.error ? [s.error.detail] : [])).join();
    assert.ok(state === 'failed' && killedTooOften.test(why), `run ${id} is ${state}: ${why}`);
  }
  const lines = existsSync(system.counter) ? readFileSync(system.counter, 'utf8').trimEnd().split('\n') : [];
  assert.equal(new Set(lines).size, lines.length, 'no attempt was executed twice');
  const executed = Map.groupBy(lines, (line) => /attempts\/([^/]+)\/([^/]+)-\d+\//.exec(line)!.slice(1).join('/'));
  for (const { id, pipeline } of runs.filter((r) => r.state === 'succeeded')) {
    for (const step of pipeline === 'work' ? ['one', 'two'] : ['fit']) {
      const { items } = await get<{ items: { state: string }[] }>(`/runs/${id}/steps/${step}/attempts`);
      const states = items.map((a) => a.state);
      assert.equal(states.filter((s) => s === 'succeeded').length, 1, `${id} ${step}: ${states.join(', ')}`);
      assert.equal(states.at(-1), 'succeeded');
      const times = executed.get(`${id}/${step}`)?.length ?? 0;
      assert.ok(times >= 1 && times <= items.length, `${id} ${step} was executed ${times} times in ${items.length} attempts`);
    }
  }

  // Models: one sealed version for each run of the pipeline.
  const models = await ask({ url: api('/models/flat/versions?limit=1000') });
  if (models.status === 200) {
    const found = models.get<{ number: number; state: string; evidence: { pipelineRun: string } }[]>('items');
    assert.deepEqual(
      found.map((v) => v.number),
      found.map((_, i) => found.length - i),
      'model versions are numbered without a gap',
    );
    assert.ok(found.every((v) => v.state === 'sealed'));
    const byRun = found.map((v) => v.evidence.pipelineRun);
    assert.equal(new Set(byRun).size, byRun.length, 'a run registers one version');
    for (const { id } of journal.read('ended').filter((e) => e.pipeline === 'model'))
      assert.ok(byRun.includes(id), `${id} registered a version`);
  }

  // Releases: each acknowledged one promoted once; none hangs; what is current is what is served.
  await atRest(() => get<{ items: { state: string }[] }>(`/projects/${PROJECT}/endpoints/flat/releases?limit=5`));
  const releases = await all<{ id: string; state: string; reason: string; revision: string }>(
    `/projects/${PROJECT}/endpoints/flat/releases`,
  );
  assert.deepEqual(
    releases.filter((r) => r.state === 'pending').map((r) => r.id),
    [],
    'no release is left in the middle',
  );
  for (const { id, reason } of journal.read('release')) {
    assert.deepEqual(
      releases.filter((r) => r.id === id).map((r) => [r.state, r.reason]),
      [['promoted', reason]],
    );
  }
  const { items } = await get<{ items: { current: { number: number } | null }[] }>(`/projects/${PROJECT}/endpoints`);
  const status = await get<{ dataPlanes: { endpoints: { name: string; revision: number }[] }[] }>('/status');
  const served = status.dataPlanes.flatMap((p) => p.endpoints.map((e) => e.revision));
  if (items[0]!.current) assert.deepEqual(served, [items[0]!.current.number], 'what is current is served');

  // Predictions: each is found by its id, with what was asked and answered.
  const predictions = journal.read('prediction');
  assert.equal(new Set(predictions.map((p) => p.id)).size, predictions.length, 'no id was given twice');
  const queue = [...predictions];
  const worker = async (): Promise<void> => {
    for (let next = queue.pop(); next; next = queue.pop()) {
      const { id, x, score } = next;
      const why = await ask({ url: api(`/predictions/${encodeURIComponent(id)}/why`) });
      assert.deepEqual([why.status, why.get('prediction.request.x'), why.get('prediction.score')], [200, x, score], `prediction ${id}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** A release whose server died is taken up again a few seconds after it began. */
async function atRest(newest: () => Promise<{ items: { state: string }[] }>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while ((await newest()).items.some((r) => r.state === 'pending') && performance.now() < deadline) await delay(100);
}
