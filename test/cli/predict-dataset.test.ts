// gyre predict --dataset: what a person reads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCli } from '../../src/app/cli.ts';
import { identityModel, logModel } from '../../src/domains/registry/fixtures/models.ts';
import { registerVersion, setAlias } from '../../src/domains/registry/public.ts';
import { applyLoop, callsTo, pushRows } from '../../src/domains/retraining/fixtures/loop.ts';
import { parquet } from '../support/parquet.ts';
import { startServer } from '../support/server.ts';

const project = `project: demo
datasets: { rows: { source: rows.parquet, key: [id] } }
models: { m: { score: score } }
`;

test('a person scores a dataset from the command line, sees how fast it went, and what is missing', async (t) => {
  const server = await startServer(t);
  const call = callsTo(() => server.url);
  await applyLoop(call, project, {});
  await pushRows(call, await parquet('select i as id, i::float as x from range(5000) t(i)'));
  const ctx = server.ctx();
  const { id, runId, source } = await logModel(ctx, { 'model.onnx': identityModel({ x: 'float' }) });
  await registerVersion(ctx, { model: 'm', loggedModelId: id, source, trackingRunId: runId, evidence: {}, baseline: null });
  await setAlias(ctx, 'm', 'champion', 1);
  const gyre = async (...args: string[]): Promise<{ code: number; out: string; said: string }> => {
    const [out, said]: [string[], string[]] = [[], []];
    const terminal = {
      out: (l: string) => void out.push(l),
      say: (l: string) => void said.push(l),
      draw: () => undefined,
      interactive: false,
      columns: 80,
    };
    const code = await runCli([...args, '--url', server.url, '--project', 'demo'], terminal);
    return { code, out: out.join('\n'), said: said.join('\n') };
  };
  const first = await gyre('predict', '--dataset', 'rows', '--model', 'm', '--into', 'scored');
  assert.equal(first.code, 0, first.said);
  assert.match(first.said, /^5000 rows scored in \d+\.\d s \(\d+ rows\/s\) with m 1 into scored version 1$/m);
  assert.match(first.out, /^5000 rows of scores in scored \(dsv_\w+\)$/);

  const again = await gyre('predict', '--dataset', 'rows@1', '--model', 'm:champion', '--into', 'scored', '--json');
  const run = JSON.parse(again.out) as { state: string; steps: { cached: boolean }[] };
  assert.deepEqual([run.state, run.steps[0]!.cached], ['succeeded', true]);

  const broken = await gyre('predict', '--dataset', 'rows', '--model', 'm@1', '--into', 'other', '--column', 'colour');
  assert.equal(broken.code, 1);
  assert.match(broken.said, /have no column "colour"/);
  const lacking = await gyre('predict', '--dataset', 'rows');
  assert.equal(lacking.code, 2);
  assert.match(lacking.said, /--model and --into are missing/);
  assert.match(
    (await gyre('predict')).said,
    /name an endpoint and the columns of one row, or a dataset with --dataset, --model and --into/,
  );
  const both = await gyre('predict', 'e', '--dataset', 'rows', '--model', 'm', '--into', 'scored');
  assert.match(both.said, /give one of the two/);
  // A conversion of a model that is ONNX already.
  const convert = await gyre('models', 'convert', 'm@1', '--on', 'rows');
  assert.equal(convert.code, 5);
  assert.match(
    convert.said,
    /^Version 1 of "m" cannot be converted: its flavors are not known; only sklearn, lightgbm, xgboost can be converted\./,
  );
});
