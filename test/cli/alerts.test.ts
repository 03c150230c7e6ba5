// gyre alerts, as typed, against a server that listens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeWindow, openAlerts, startReceiver } from '../support/alert-bench.ts';
import { gyre } from './gyre.ts';

test('gyre alerts says what fires and why, what a rule would have done, who was told, and keeps silent on demand', async (t) => {
  const receiver = await startReceiver(t);
  const b = await openAlerts(t, 'sqlite', {
    more: `alerts: [{ when: e.roc_auc below baseline by 0.03, for: 2 windows, severity: page, receivers: [ops] }]
receivers: { ops: { webhook: { url: "${receiver.url}" } } }`,
    environment: { GYRE_ALERT_ALLOW_HOSTS: '127.0.0.1' },
  });
  const url = await b.app.listen({ host: '127.0.0.1', port: 0 });
  const say = async (code: number, ...args: string[]): Promise<string> => {
    const ran = await gyre('alerts', ...args, '--url', url, '--project', 'demo');
    assert.equal(ran.code, code, `${args.join(' ')}: ${ran.err}`);
    return ran.out;
  };
  const read = async <T>(...args: string[]): Promise<T> => JSON.parse(await say(0, ...args, '--json')) as T;
  assert.equal(await say(0, 'list'), '');
  await b.aucs(0.7, 0.66, 0.65);
  const [alert] = await read<{ id: string; rule: string }[]>('list', '--state', 'active');
  assert.match(await say(0, 'list'), /e-roc_auc +firing +2026-01-04 00:00 +page +0\.65/);
  const shown = await say(0, 'show', alert!.id);
  assert.match(shown, /^e-roc_auc \(page\) of monitor e: firing/);
  assert.match(shown, /pending +0\.66 +0\.67 +900 +win_\w+ +7 windows pooled; baseline 0\.7; worse by 0\.04/);
  assert.match(shown, /dlv_\w+ +ops +delivered +fired +1 +200/);
  assert.match(await say(0, 'rules'), /e-roc_auc +firing +e\.roc_auc below baseline by 0\.03 +2 windows +page +ops +file/);
  assert.match(await say(0, 'rules'), /e-drift +normal +e\.drift found +2 of 3 windows +warn +default/);

  assert.match(
    await say(0, 'test', 'e-roc_auc'),
    /^e\.roc_auc below baseline by 0\.03, for 2 windows: over 3 windows \(0 without data\) it would have fired once; it ends firing/,
  );
  assert.match(
    await say(0, 'test', '--when', 'e.roc_auc below 0.9', '--for', '1 window', '--to', '2026-01-02'),
    /over 1 window .* fired once/,
  );
  assert.match(await say(0, 'test', '--when', 'e.roc_auc below 0.2', '--from', '2026-01-02'), /over 2 windows .* fired 0 times/);
  await say(3, 'test');
  // A rule that is there can be tried with another patience, and what has no figures says why.
  assert.match(await say(0, 'test', 'e-roc_auc', '--for', '3 windows'), /for 3 windows: .* fired 0 times; it ends pending/);
  assert.match(await say(0, 'test', 'e-roc_auc', '--keep-firing-for', '2d'), /for 2 windows: .* fired once/);
  await say(3, 'test', 'e-roc_auc', '--for', '3 of 2 windows');
  await closeWindow(b.ctx(), { day: 3 });
  assert.match(
    await say(0, 'test', '--when', 'e.drift.nosuch above 0.1'),
    /over 1 window \(1 without data: the window has no figure for drift\.nosuch\) it would have fired 0 times/,
  );

  const { id } = await read<{ id: string }>('silence', 'rule=~e-.*', '--until', '2026-02-01', '--comment', 'known');
  assert.match(await say(0, 'silences'), new RegExp(`${id} +active +rule=~e-\\.\\* +2026-02-01 00:00 +local +known`));
  assert.match(await say(0, 'list'), /silenced/);
  assert.match(await say(0, 'unsilence', id), /has ended/);
  assert.match(await say(0, 'silences', '--expired'), /expired/);

  assert.match(await say(0, 'receivers'), new RegExp(`ops +webhook +127\\.0\\.0\\.1:${receiver.port} +4h +e-roc_auc`));
  assert.match(await say(0, 'receivers', '--send', 'ops'), /to ops: delivered \(status 200\)/);
  receiver.status = 404;
  assert.match(await say(1, 'receivers', '--send', 'ops'), /to ops: dead \(status 404\), the receiver answered with status 404/);
  const dead = (await read<{ id: string }[]>('deliveries', '--state', 'dead'))[0]!;
  assert.match(await say(0, 'deliveries'), /ops +dead +test/);
  receiver.status = 200;
  assert.match(await say(0, 'redeliver', dead.id), /queued/);
  await b.drain();
  assert.match(await say(0, 'deliveries', '--state', 'delivered'), new RegExp(`${dead.id} +ops +delivered`));
  await closeWindow(b.ctx(), { day: 4, kind: 'performance', auc: 0.7 });
  await b.drain();
  assert.match(await say(0, 'list', '--monitor', 'e'), /resolved/);
  await say(4, 'show', 'alr_none');
});
