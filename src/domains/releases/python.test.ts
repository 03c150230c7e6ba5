// A model in Python from the registry to an answer: its signature, its evaluation, its environment before the release, the endpoint.
import assert from 'node:assert/strict';
import { globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parquet } from '../../../test/support/parquet.ts';
import { openPipelines } from '../../../test/support/pipelines.ts';
import { silentLog } from '../../kernel/log.ts';
import { openOnlineReader } from '../features/online-store.ts';
import { decide, evaluate, registerVersion, versionInterpreter, type ModelVersion } from '../registry/public.ts';
import { logModel } from '../registry/fixtures/models.ts';
import { expectedAnswers, pythonModels } from '../serving/fixtures/python-models.ts';
import { startDataPlane } from '../serving/plane/data-plane.ts';
import { readPlan } from '../serving/plan.ts';

const repository = join(import.meta.dirname, '../../..');
const PACKAGES = [
  'cloudpickle',
  'joblib',
  'numpy',
  'pandas',
  'python-dateutil',
  'pytz',
  'scikit-learn',
  'scipy',
  'six',
  'threadpoolctl',
  'tzdata',
];

/** What the model needs and no more, from the lock that the environments of the tests are made of. */
function lock(): string {
  const entries = readFileSync(join(repository, 'test/mlflow-client/python/requirements-3.lock'), 'utf8').split(/\n(?=\S)/);
  return `${PACKAGES.map((name) => entries.find((entry) => entry.startsWith(`${name}==`))!.replace(/\n\s*#.*$/gm, '')).join('\n')}\n`;
}

const filesOf = (model: string, change: Readonly<Record<string, string>> = {}): Record<string, Buffer> => {
  const folder = join(pythonModels(), model);
  const files = globSync('**', { cwd: folder }).filter((path) => statSync(join(folder, path)).isFile() && !path.endsWith('.pyc'));
  return {
    ...Object.fromEntries(files.map((path) => [path, readFileSync(join(folder, path))])),
    ...Object.fromEntries(Object.entries(change).map(([path, text]) => [path, Buffer.from(text)])),
  };
};

test('a model in Python is sealed by its MLmodel file, scored, released and served in its own environment', async (t) => {
  const b = await openPipelines(t, 'sqlite', { GYRE_UV_CACHE_DIR: process.env.GYRE_UV_CACHE_DIR ?? join(repository, '.cache/uv') });
  await b.apply(
    `project: demo\nmodels:\n  m: { score: probability, gates: [ { metric: roc_auc, floor: 0.99 } ] }\nendpoints:\n  e: { model: m }\n`,
  );
  const ctx = b.ctx();
  const { inputs, answers } = expectedAnswers('forest-proba');
  const rows = answers.length;
  const list = (values: readonly (number | string)[]): string => `[${values.join(', ')}]`;
  const table = join(b.folder, 'rows.parquet');
  writeFileSync(
    table,
    await parquet(`select 'row-' || i as row_key, 1000000000 + i * 1000000 as at_us, (${list((answers as number[][]).map((a) => Number(a[1]! > 0.5)))}[i + 1])::int as label,
      ${Object.entries(inputs)
        .map(([name, values]) => `(${list(values)}[i + 1])::double as ${name}`)
        .join(', ')} from range(${rows}) t(i)`),
  );

  const register = async (files: Record<string, Buffer>, scored = false): Promise<ModelVersion> => {
    const logged = await logModel(ctx, files);
    const evaluation = scored ? await score(logged.id) : undefined;
    return registerVersion(
      ctx,
      {
        ...{
          model: 'm',
          loggedModelId: logged.id,
          source: logged.source,
          trackingRunId: logged.runId,
          baseline: null,
          score: 'probability',
        },
        evidence: evaluation ? { evaluation: evaluation.id } : {},
      },
      'lenient',
    );
  };
  const score = async (loggedModelId: string) => {
    const evaluation = await evaluate(ctx, {
      ...{ loggedModelId, table, datasetVersion: 'dsv_1', datasetVersions: [], task: 'binary' as const, score: 'probability', slices: [] },
      window: { fromUs: 0, toUs: 2_000_000_000 },
    });
    assert.equal(evaluation.rows, rows);
    return evaluation;
  };
  const version = await register(filesOf('forest-proba', { 'requirements.txt': lock() }), true);
  assert.equal(version.state, 'sealed');
  assert.deepEqual(version.signature, {
    inputs: ['a', 'b', 'c'].map((name) => ({ name, type: 'float64', shape: ['N'] })),
    outputs: [{ name: 'predictions', type: 'float64', shape: ['N', 2] }],
  });
  assert.equal(version.unservableBecause, null);

  const plane = await startDataPlane({
    dir: b.folder,
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    programVersion: '0',
    dialects: [],
    openFacts: openOnlineReader,
    pollMs: 20,
  });
  t.after(() => plane.close());
  const { results } = await decide(ctx, version, [{ metric: 'roc_auc', floor: 0.99 }]);
  assert.equal(results[0]!.passed, true);
  const release = (v: ModelVersion) => b.send('POST', '/projects/demo/endpoints/e/releases', { version: String(v.number) });
  const released = await release(version);
  assert.equal(released.status, 201, JSON.stringify(released.body));
  const [variant] = readPlan(b.folder)!.endpoints[0]!.variants;
  assert.match(variant!.interpreter!, /^environments\/[0-9a-f]{64}\/bin\/python$/);
  const ask = async (row: number): Promise<{ score: number }> => {
    const body = JSON.stringify({ inputs: Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, values[row]])) });
    const reply = await fetch(`${plane.url}/endpoints/e/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    assert.equal(reply.status, 200);
    return (await reply.json()) as { score: number };
  };
  const scores = await Promise.all(answers.map((_, row) => ask(row)));
  assert.deepEqual(
    scores.map((s) => s.score),
    (answers as number[][]).map((a) => a[1]),
  );

  // What cannot have an environment is refused before any traffic moves.
  const lost = await register(
    filesOf('forest-proba', { 'requirements.txt': 'no-such-package==1.0 --hash=sha256:' + '0'.repeat(64) + '\n' }),
  );
  const refused = await release(lost);
  assert.deepEqual([refused.status, refused.body.code], [409, 'environment-failed']);
  assert.equal(readPlan(b.folder)!.endpoints[0]!.variants[0]!.modelVersion, '1');
  assert.equal((await ask(0)).score, (answers as number[][])[0]![1]);

  const unnamed = await register(filesOf('anything'));
  assert.equal(unnamed.signature, null);
  assert.match(unnamed.unservableBecause!, /has no signature/);
  const strict = { ...ctx, settings: { ...ctx.settings, picklePolicy: 'refuse' as const } };
  await assert.rejects(versionInterpreter(strict, unnamed), { code: 'model-not-loadable', message: /GYRE_PICKLE_POLICY/ });
});
