import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { testPython } from '../../../test/journey/flights-project.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { parquet } from '../../../test/support/parquet.ts';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import { createUser } from '../access/public.ts';
import { push, rowsOf } from '../pipelines/fixtures/scoring.ts';
import { logModel, identityModel } from './fixtures/models.ts';
import { evaluate, findVersion, getEvaluation, registerVersion, type ModelVersion } from './public.ts';
import { isSameScore } from './model.ts';
import { requireConvertible } from './service/start-conversion.ts';

let made: string | undefined;
after(() => made && rmSync(made, { recursive: true, force: true }));

/** Folders of models as MLflow writes them, and their rows. */
function models(): string {
  if (made) return made;
  made = mkdtempSync(join(tmpdir(), 'gyre-convertible-'));
  execFileSync(testPython(), [join(import.meta.dirname, 'fixtures/make-convertible.py'), made]);
  return made;
}

interface Shown {
  readonly id: string;
  readonly state: string;
  readonly doing: string;
  readonly madeVersion: number | null;
  readonly environment: string | null;
  readonly sameness: { rows: number; maxDifference: number; differingLabels: number | null } | null;
  readonly error: { code: string; detail: string } | null;
}

async function bench(t: Parameters<typeof openPipelines>[0], kind: Parameters<typeof openPipelines>[1], more = {}): Promise<PipelineBench> {
  const b = await openPipelines(t, kind, { GYRE_UV_CACHE_DIR: join(import.meta.dirname, '../../../.cache/uv'), ...more });
  await b.apply('project: demo\ndatasets:\n  seen: { source: seen/*.parquet, key: [row_key] }\n');
  await push(b, 'seen', `from read_json('${join(models(), 'rows.ndjson')}')`);
  return b;
}

async function register(b: PipelineBench, name: string): Promise<ModelVersion> {
  const ctx = b.ctx();
  const folder = join(models(), name);
  const files = Object.fromEntries(readdirSync(folder).map((path) => [path, readFileSync(join(folder, path))]));
  const { id, runId, source } = await logModel(ctx, files);
  return registerVersion(ctx, {
    model: name,
    loggedModelId: id,
    source,
    trackingRunId: runId,
    evidence: { codeSnapshot: 'snp' },
    baseline: null,
  });
}

async function convert(b: PipelineBench, name: string, body: object = {}): Promise<Shown> {
  const asked = await b.send<Shown>('POST', `/models/${name}/versions/latest/convert`, {
    rows: { project: 'demo', dataset: 'seen' },
    ...body,
  });
  assert.equal(asked.status, 202, JSON.stringify(asked.body));
  await b.drain();
  return (await b.send<Shown>('GET', `/models/${name}/conversions/${asked.body.id}`)).body;
}

eachDatabase(
  'a scikit-learn pipeline becomes an ONNX version that answers the same, from the environment that the model names',
  async (t, kind) => {
    const b = await bench(t, kind);
    const source = await register(b, 'pipeline');
    const done = await convert(b, 'pipeline');
    assert.equal(done.state, 'succeeded', JSON.stringify(done));
    assert.equal(done.sameness!.rows, 400);
    assert.ok(done.sameness!.maxDifference < 1e-5, JSON.stringify(done.sameness));
    assert.equal(done.sameness!.differingLabels, 0);
    const derived = await findVersion(b.ctx(), 'pipeline', String(done.madeVersion));
    assert.deepEqual([derived.number, derived.state, derived.unservableBecause], [2, 'sealed', null]);
    assert.deepEqual(
      derived.signature!.inputs.map((i) => `${i.name} ${i.type} ${i.shape.length}`),
      ['carrier string 2', 'hour float32 2', 'temp float32 2'],
    );
    assert.equal(derived.evidence.derivedFrom?.version, source.id);
    assert.equal(derived.evidence.codeSnapshot, 'snp');
    assert.equal(derived.evidence.environment?.digest, done.environment);
    const { body } = await b.send<{ tags: Record<string, string> }>('GET', '/models/pipeline/versions/2');
    assert.equal(body.tags['gyre.derived_from'], 'pipeline/1');
    const { body: graph } = await b.send<{ edges: { from: { id: string }; to: { id: string }; relation: string }[] }>(
      'GET',
      `/lineage/model-version/${derived.id}?depth=1`,
    );
    assert.ok(graph.edges.some((e) => e.relation === 'derived-from' && e.to.id === source.id));
  },
);

test('trees and a regression become ONNX; what the converters do not know, and what answers otherwise, is refused with its worst row', async (t) => {
  const b = await bench(t, 'sqlite');
  for (const name of ['trees', 'line']) {
    await register(b, name);
    const done = await convert(b, name);
    assert.equal(done.state, 'succeeded', JSON.stringify(done));
  }
  // A dataset is scored by both alike: one in Python, in its own environment, the other as ONNX.
  const scores = async (version: string): Promise<number[]> => {
    const into = `by_${version}`;
    const { body } = await b.send<{ id: string }>('POST', '/projects/demo/predictions', {
      dataset: 'seen',
      model: 'line',
      modelVersion: version,
      into,
    });
    await b.drain();
    const run = await b.run(body.id);
    assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
    return (await rowsOf(b, into)).map((r) => Number(r.score));
  };
  const [python, onnx] = [await scores('1'), await scores('2')];
  assert.equal(python.length, 400);
  python.forEach((score, i) => assert.ok(Math.abs(score - onnx[i]!) < 1e-3, `row ${i}: ${score} and ${onnx[i]}`));

  await register(b, 'strange');
  const refused = await convert(b, 'strange');
  assert.deepEqual([refused.state, refused.error?.code], ['failed', 'conversion-failed']);
  assert.match(refused.error!.detail, /^Version 1 of "strange" was not converted: .*Nothing was registered\.$/);
  assert.equal((await b.send<{ items: unknown[] }>('GET', '/models/strange/versions')).body.items.length, 1);

  await register(b, 'pipeline');
  const done = await convert(b, 'pipeline', { tolerance: 1e-12 });
  assert.deepEqual([done.state, done.error?.code], ['failed', 'conversion-differs']);
  assert.match(
    done.error!.detail,
    /differ on 400 rows: by up to .* \(tolerance 1e-12\).* Worst is row \d+, by moment and key: 0\.\d+ .* became 0\.\d+/,
  );
  assert.equal((await b.send<{ items: unknown[] }>('GET', '/models/pipeline/versions')).body.items.length, 1);
});

test('a conversion of an evaluated version is evaluated on the very same rows, and its gates are judged', async (t) => {
  const b = await bench(t, 'sqlite');
  const ctx = b.ctx();
  const folder = join(models(), 'trees');
  const files = Object.fromEntries(readdirSync(folder).map((path) => [path, readFileSync(join(folder, path))]));
  const { id, runId, source } = await logModel(ctx, files);
  const table = join(b.folder, 'rows.parquet');
  writeFileSync(table, await parquet(`select row_key, at_us, label, hour, temp from read_json('${join(models(), 'rows.ndjson')}')`));
  const { items } = (await b.send<{ items: { id: string }[] }>('GET', '/projects/demo/datasets/seen/versions')).body;
  const of = { datasetVersion: items[0]!.id, datasetVersions: [items[0]!.id], slices: [], window: { fromUs: 0, toUs: 4e8 } };
  const evaluation = await evaluate(ctx, { loggedModelId: id, table, task: 'binary', score: 'predictions', ...of });
  const evidence = { evaluation: evaluation.id };
  await registerVersion(ctx, { model: 'trees', loggedModelId: id, source, trackingRunId: runId, evidence, baseline: null });
  const asked = await b.send<Shown>('POST', '/models/trees/versions/1/convert', {});
  assert.equal(asked.status, 202, JSON.stringify(asked.body));
  await b.drain();
  const done = (await b.send<Shown>('GET', `/models/trees/conversions/${asked.body.id}`)).body;
  assert.equal(done.state, 'succeeded', JSON.stringify(done));
  const derived = await findVersion(ctx, 'trees', '2');
  const second = await getEvaluation(ctx, derived.evidence.evaluation!);
  assert.deepEqual([second.input.digest, second.rows], [evaluation.input.digest, 400]);
  assert.notEqual(second.loggedModelId, id);
  const { body } = await b.send<{ decision: { outcome: string } | null }>('GET', '/models/trees/versions/2');
  assert.equal(body.decision?.outcome, 'passed');
});

eachDatabase(
  'what cannot be converted is said at once: no rows, ONNX already, a pickle that the policy refuses, users',
  async (t, kind) => {
    const b = await bench(t, kind);
    const told = async (name: string, body: object, version = 'latest'): Promise<string> => {
      const { body: reply } = await b.send<{ code: string }>('POST', `/models/${name}/versions/${version}/convert`, body);
      return reply.code;
    };
    await register(b, 'line');
    assert.equal(await told('line', {}), 'conversion-not-possible');
    assert.equal(await told('line', {}, '9'), 'model-version-not-found');
    assert.equal(await told('line', { rows: { project: 'demo', dataset: 'seen', number: 7 } }), 'dataset-version-not-found');
    const { id, runId, source } = await logModel(b.ctx(), { 'model.onnx': identityModel({ x: 'float' }) });
    await registerVersion(b.ctx(), { model: 'onnx', loggedModelId: id, source, trackingRunId: runId, evidence: {}, baseline: null });
    assert.equal(await told('onnx', {}), 'conversion-not-possible');
    assert.equal((await b.send<{ code: string }>('GET', '/models/line/conversions/cnv_none')).body.code, 'conversion-not-found');

    const ctx = b.ctx();
    const strange = await register(b, 'strange');
    const refusing = { ...ctx, settings: { ...ctx.settings, picklePolicy: 'refuse' as const } };
    await assert.rejects(requireConvertible(refusing, strange), {
      code: 'conversion-not-possible',
      message: /GYRE_PICKLE_POLICY is "refuse"/,
    });
    await createUser(ctx, { name: 'ada', password: 'a long password', role: 'admin' });
    await assert.rejects(requireConvertible(ctx, strange), { code: 'model-code-not-trusted' });
  },
);

test('two scores are the same within the tolerance of their size, and of 1 below it', () => {
  assert.equal(isSameScore(0.5, 0.500009, 1e-5), true);
  assert.equal(isSameScore(0.5, 0.50002, 1e-5), false);
  assert.equal(isSameScore(4000, 4000.03, 1e-5), true);
  assert.equal(isSameScore(4000, 4000.05, 1e-5), false);
  assert.equal(isSameScore(null, null, 1e-5), true);
  assert.equal(isSameScore(null, 0, 1e-5), false);
});
