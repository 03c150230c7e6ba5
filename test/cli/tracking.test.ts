// gyre experiments and gyre tracking, as typed, against a server that listens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createExperiment, createRun, logBatch, updateRun } from '../../src/domains/tracking/public.ts';
import { startServer } from '../support/server.ts';
import { gyre } from './gyre.ts';

test('gyre experiments and gyre tracking find, compare, follow, delete and purge what training code logged', async (t) => {
  const server = await startServer(t);
  const ctx = server.ctx();
  const say = async (code: number, ...args: string[]): Promise<string> => {
    const ran = await gyre(...args, '--url', server.url);
    assert.equal(ran.code, code, `${args.join(' ')}: ${ran.err}`);
    return ran.out + ran.err;
  };
  const churn = await createExperiment(ctx, { name: "churn's", tags: [{ key: 'team', value: 'x' }] });
  const make = async (name: string, seed: string, auc: number): Promise<string> => {
    const run = await createRun(ctx, { experimentId: churn, userId: 'ada', name, startMs: 1, tags: [] });
    const metrics = [1, 2].map((step) => ({ key: 'auc', value: step === 2 ? auc : 0.1, timestampMs: step, step }));
    await logBatch(ctx, run.id, { metrics, params: [{ key: 'seed', value: seed }], tags: [] });
    return run.id;
  };
  const [a, b] = [await make('first', '1', 0.8), await make('second', '2', 0.9)];

  assert.match(await say(0, 'experiments', 'list'), /ID +NAME +CREATED +UPDATED\n1 +churn's /);
  assert.match(await say(0, 'experiments', 'search', "tags.team = 'x' AND NOT name = 'Default'"), /churn's/);
  assert.match(await say(3, 'experiments', 'search', 'tags.team = x'), /column 13: text in quotes is expected/);
  assert.match(await say(0, 'experiments', 'show', "churn's"), /2 runs, 2 RUNNING; 0 deleted\n +team = x/);
  await say(4, 'experiments', 'show', '99');

  const found = await say(
    0,
    'tracking',
    'search',
    'metrics.auc > 0.85 OR params.seed = "1"',
    '--experiment',
    "churn's",
    '--order',
    'metrics.auc DESC',
  );
  assert.match(found, new RegExp(`RUN +NAME +STATUS +STARTED +auc +seed\n${b} +second +RUNNING .* +0\\.9 +2\n${a} `));
  assert.match(found, /2 of 2 runs/);
  assert.doesNotMatch(await say(0, 'tracking', 'search', '--field', 'metrics.auc'), /seed/);
  assert.match(await say(0, 'tracking', 'count', '--by', 'params.seed'), /PARAMS\.SEED +RUNS\n1 +1\n2 +1/);
  assert.equal(await say(0, 'tracking', 'count', 'metrics.auc < 0.85'), '1\n');
  assert.match(await say(0, 'tracking', 'show', a), /metric auc = 0\.8 at step 2\n +param seed = 1/);
  const compared = await say(0, 'tracking', 'compare', a, b);
  assert.match(compared, /metric auc +0\.8 +0\.9\n/);
  assert.match(compared, /param seed +1 +2\n/);
  assert.match(compared, /repeats: .*\n +auc: mean 0\.85 of 2, 95 % interval 0\.214\d+ to 1\.485\d+ \(Student’s t of the mean\)/);
  assert.equal((JSON.parse(await say(0, 'tracking', 'compare', a, b, '--json')) as { runs: unknown[] }).runs.length, 2);

  assert.equal(await say(0, 'tracking', 'metrics', a, 'auc'), 'auc  step 1  0.1\nauc  step 2  0.8\n');
  const followed = say(0, 'tracking', 'metrics', a, '--follow');
  await updateRun(ctx, a, { status: 'FINISHED', endMs: 5 });
  assert.equal(await followed, 'auc  step 2  0.8\nthe run is FINISHED\n');

  await say(0, 'tracking', 'delete', a);
  assert.match(await say(0, 'tracking', 'search', '--deleted'), /first/);
  await say(0, 'tracking', 'restore', a);
  await say(5, 'tracking', 'purge', a, '--yes');
  await say(0, 'experiments', 'delete', "churn's");
  assert.match(
    await say(0, 'experiments', 'purge'),
    /1 \(itself\) +2 +0 +4 .*\n[^]*would remove 1 experiments, 2 runs[^]*Nothing was removed/,
  );
  assert.match(await say(0, 'experiments', 'gc', '--older-than', '1d', '--yes'), /removed 0 experiments, 0 runs/);
  assert.match(await say(3, 'experiments', 'purge', '--older-than', 'soon'), /write a number of days or hours/);
  assert.match(await say(0, 'experiments', 'purge', "churn's", '--yes'), /removed 1 experiments, 2 runs/);
  assert.doesNotMatch(await say(0, 'experiments', 'list', '--deleted'), /churn/);
  assert.match((await gyre('experiments', 'purge', '--older-than', 'x', '--url', server.url)).err, /\(age-form\)/);
});
