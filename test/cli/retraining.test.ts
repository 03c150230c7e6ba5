// gyre retrain, retraining, freeze: what a person reads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCli } from '../../src/app/cli.ts';
import { applyLoop, callsTo } from '../../src/domains/retraining/fixtures/loop.ts';
import { smallYaml } from '../../src/domains/retraining/fixtures/small.ts';
import { startServer } from '../support/server.ts';

/** The command line against a server: the code that it ends with, and what a person reads. */
const commandLine =
  ({ url }: { readonly url: string }) =>
  async (...args: string[]): Promise<{ code: number; text: string }> => {
    const lines: string[] = [];
    const terminal = {
      out: (l: string) => void lines.push(l),
      say: (l: string) => void lines.push(l),
      draw: () => undefined,
      interactive: false,
      columns: 80,
    };
    const code = await runCli([...args, '--url', url, '--project', 'demo'], terminal);
    return { code, text: lines.join('\n') };
  };

test('a person sees why a trigger was suppressed, stops retraining, and freezes an endpoint, from the command line', async (t) => {
  const server = await startServer(t);
  const call = callsTo(() => server.url);
  await applyLoop(call, smallYaml({ policy: 'on: [api]\n    cooldown: 14d' }), {});
  const gyre = commandLine(server);
  const first = await gyre('retrain', 'keep', '--reason', 'to see');
  assert.equal(first.code, 0, first.text);
  assert.match(first.text, /^trg_\w+ {2}keep: accepted\n {2}cause {5}api: to see\n {2}at {8}2013-03-01 00:00 of event time, by local\n/);
  await call('POST', '/settle');
  const again = await gyre('retrain', 'keep');
  assert.equal(again.code, 1);
  assert.match(again.text, /suppressed by the guard rail "cooldown"/);
  assert.match(again.text, /outcome {3}the last trigger was accepted at 2013-03-01T00:00:00\.000Z; the cooldown of 14d ends at 2013-03-15/);
  const listed = await gyre('retraining', 'triggers');
  assert.match(listed.text, /^TRIGGER .*\n.* api {4}suppressed \(cooldown\) .*\n.* api {4}failed .*its run registered no model version$/);
  const [id] = /trg_\w+/.exec(first.text)!;
  assert.match(
    (await gyre('retraining', 'show', id)).text,
    /run {7}run_\w+ {2}\(gyre logs run_\w+ STEP\)\n {2}outcome {3}its run registered no model version/,
  );
  assert.match(
    (await gyre('retraining', 'show', 'keep')).text,
    /^keep: ready\n {2}runs {6}pipeline train, releases to e\n {2}on {8}api\n[^]*useless {3}1 in a row; it stops after 3\n/,
  );
  assert.match((await gyre('retraining', 'list')).text, /^POLICY .*\nkeep {4}ready {2}train {5}e .*until 2013-03-15 00:00/);

  assert.match(
    (await gyre('retraining', 'stop', '--reason', 'audit')).text,
    /^retraining of project demo is stopped; 0 open triggers were ended$/,
  );
  assert.match((await gyre('retrain', 'keep', '--force')).text, /retraining of project demo was stopped by local: audit/);
  assert.match((await gyre('retraining', 'list')).text, /keep {4}stopped .*project demo, by local: audit$/);
  assert.match((await gyre('retraining', 'resume')).text, /^retraining of project demo goes on$/);
  assert.match((await gyre('retraining', 'stop', '--all', '--reason', 'fire')).text, /^retraining of all projects is stopped/);
  assert.match((await gyre('retraining', 'resume', 'keep')).text, /it is stopped still: all projects, by local: fire$/);
  assert.match((await gyre('retraining', 'resume', '--all')).text, /^retraining of all projects goes on$/);
  assert.match(
    (await gyre('freeze', 'e', '--reason', 'holiday')).text,
    /^e is frozen since 2013-03-01 00:00; "gyre unfreeze e" lets it move again$/,
  );
  assert.match((await gyre('retrain', 'keep', '--force')).text, /endpoint e was frozen by local: holiday/);
  assert.match((await gyre('unfreeze', 'e')).text, /^e may move again$/);
  assert.equal((await gyre('retraining', 'stop')).code, 2, 'a stop wants a reason');
  assert.equal((await gyre('retraining', 'approve', id)).code, 5);
  assert.equal((await gyre('retraining', 'show', 'trg_none')).code, 4);
});

test('who looks at a trigger that waits for a person reads how to let it go on', async (t) => {
  const server = await startServer(t);
  await applyLoop(
    callsTo(() => server.url),
    smallYaml({ policy: 'on: [alert]\n    approval: person', timeline: '{ mode: live }' }),
    {},
  );
  await server.drain();
  const firing = { rule: 'fell', monitor: 'e', signal: 'roc_auc', severity: 'page', value: 0.61, window: 'win_1' };
  await server
    .ctx()
    .tx((tx) => tx.emit({ type: 'alert.firing', subject: { kind: 'alert', id: 'alr_1' }, project: 'demo', payload: firing }));
  await server.drain();
  const gyre = commandLine(server);
  const [id] = /trg_\w+/.exec((await gyre('retraining', 'triggers')).text)!;
  assert.match(
    (await gyre('retraining', 'show', id)).text,
    new RegExp(`waits for somebody to approve it, until .*\\n {12}gyre retraining approve ${id} {2}\\(or reject\\)$`),
  );
  assert.match(
    (await gyre('retraining', 'approve', id)).text,
    new RegExp(`^${id} is accepted; "gyre retraining show ${id}" says how it goes$`),
  );
});
