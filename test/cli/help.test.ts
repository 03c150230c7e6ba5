import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import { buildProgram } from '../../src/app/cli.ts';
import { gyre, start } from './gyre.ts';

const quiet = { out: () => undefined, say: () => undefined, draw: () => undefined, interactive: false, columns: 80 };
const root = buildProgram({ terminal: quiet, exit: () => undefined });

/** What does something by itself; a group may, too. */
const acts = (command: Command): boolean => command.commands.length === 0 || command.options.some((o) => o.long === '--json');
const leaves = (command: Command, before: readonly string[] = []): { words: string[]; command: Command }[] =>
  command.commands.flatMap((child) => {
    const words = [...before, child.name()];
    return [...(acts(child) ? [{ words, command: child }] : []), ...leaves(child, words)];
  });

test('The commands are these', () => {
  assert.deepEqual(
    leaves(root).map(({ words }) => words.join(' ')),
    [
      ...['up', 'serve', 'status', 'config show', 'audit verify', 'audit head'],
      ...['init', 'plan', 'apply', 'timeline show', 'timeline advance'],
      ...['run', 'runs', 'logs', 'resume', 'cancel', 'shell'],
      ...['experiments list', 'experiments search', 'experiments show', 'experiments delete', 'experiments restore', 'experiments purge'],
      ...['tracking search', 'tracking count', 'tracking show', 'tracking compare', 'tracking delete', 'tracking restore'],
      ...['tracking purge', 'tracking metrics'],
      ...['export', 'import', 'import mlflow'],
      ...['datasets list', 'datasets versions', 'datasets show', 'datasets push', 'datasets refresh'],
      ...['datasets diff', 'datasets contract', 'datasets rows', 'datasets card', 'features materialise', 'features get'],
      ...['env list', 'env show', 'env diff'],
      ...[
        'models list',
        'models versions',
        'models show',
        'models seal',
        'models convert',
        'models decide',
        'models override',
        'models alias',
        'models card',
      ],
      ...['report', 'report delivery', 'release', 'release start', 'release status', 'release pause', 'release resume'],
      ...['release approve', 'release promote', 'release abort', 'release retry', 'release list', 'releases'],
      ...['trial plan', 'trial start', 'trial status', 'trial readout', 'trial pause', 'trial resume', 'trial stop'],
      ...['trial freeze-weights', 'trial thaw-weights', 'trial history', 'trial decide', 'trial list', 'rollback', 'predict'],
      ...['monitor list', 'monitor show', 'monitor windows', 'monitor findings', 'monitor report', 'monitor send', 'monitor batches'],
      ...['alerts list', 'alerts show', 'alerts rules', 'alerts test', 'alerts silence', 'alerts silences', 'alerts unsilence'],
      ...['alerts deliveries', 'alerts redeliver', 'alerts receivers'],
      ...['retrain', 'retraining list', 'retraining show', 'retraining triggers', 'retraining approve', 'retraining reject'],
      ...['retraining stop', 'retraining resume', 'freeze', 'unfreeze'],
      ...['why prediction', 'why run', 'lineage', 'lineage dataset', 'lineage impact', 'lineage of'],
      ...['document pipeline', 'document system', 'ci init'],
      ...['erase', 'governance certificate', 'governance erasures', 'governance erasure', 'governance subject', 'governance record'],
      ...['retention'],
      ...['webhooks list', 'webhooks create', 'webhooks test', 'webhooks disable', 'webhooks enable', 'webhooks delete'],
      ...['webhooks deliveries'],
      ...['users list', 'users add', 'users role', 'users remove', 'users password', 'users link'],
      ...['grants list', 'grants add', 'grants remove', 'grants show'],
      ...['tokens list', 'tokens create', 'tokens rotate', 'tokens revoke', 'service-accounts list', 'service-accounts show'],
      ...['service-accounts create', 'service-accounts change', 'service-accounts remove', 'service-accounts token'],
      ...['service-accounts bind', 'service-accounts unbind', 'login', 'logout'],
      ...['workspaces list', 'workspaces create'],
      ...['migrate', 'db copy', 'backup', 'restore', 'doctor', 'du', 'erasures export'],
    ],
  );
});

test('Every command explains itself and each of its options', async () => {
  for (const { words, command } of leaves(root)) {
    const { code, out, err } = await gyre(...words, '--help');
    assert.deepEqual([code, err], [0, ''], words.join(' '));
    assert.match(out, new RegExp(`^Usage: gyre ${words.join(' ')}`), words.join(' '));
    assert.match(command.description(), /^[a-z].*[^.]$/, `${words.join(' ')} says in half a sentence what it does`);
    for (const option of command.options) assert.notEqual(option.description, '', `${words.join(' ')} ${option.flags}`);
    for (const line of out.split('\n')) assert.ok(line.length <= 100, `"${line}" is too long for a terminal`);
  }
});

test('Groups and the program itself list what is in them', async () => {
  for (const group of root.commands.filter((c) => c.commands.length > 0)) {
    const { code, out } = await gyre(group.name(), '--help');
    assert.equal(code, 0);
    for (const child of group.commands) assert.ok(out.includes(`  ${child.name()}`), `${group.name()} ${child.name()}`);
  }
  const { code, out } = await gyre();
  assert.equal(code, 0);
  assert.match(out, /Exit codes: 0 done/);
  assert.match((await gyre('--version')).out, /^\d+\.\d+\.\d+\n$/);
});

test('A word that is nearly a command is answered with the command; the exit code is that of a wrong command line', async () => {
  const { code, err, out } = await gyre('datsets', 'list');
  assert.deepEqual([code, out], [2, '']);
  assert.match(err, /unknown command 'datsets'/);
  assert.match(err, /Did you mean datasets\?/);
  assert.match((await gyre('datasets', 'lst')).err, /Did you mean list\?/);
  assert.match((await gyre('runs', '--jsn')).err, /Did you mean --json\?[\s\S]*See "gyre runs --help"/);
  for (const line of [['logs'], ['run'], ['predict', 'late'], ['users', 'add', 'x'], ['datasets'], ['runs', 'one-too-many']])
    assert.equal((await gyre(...line)).code, 2, line.join(' '));
});

test('Values that no command can use are refused before anybody is asked', async () => {
  for (const line of [
    ['up', '--port', 'many'],
    ['up', '--port', '70000'],
    ['predict', 'late', 'nothing', '--url', 'http://127.0.0.1:1'],
    ['features', 'get', 'plain', 'nothing', '--project', 'p', '--url', 'http://127.0.0.1:1'],
  ]) {
    const { code, err } = await gyre(...line);
    assert.equal(code, 2, `${line.join(' ')}: ${err}`);
  }
});

test('What is read slowly from a pipe is read to its end', async (t) => {
  // More than a pipe holds.
  const items = Array.from({ length: 2000 }, (_, i) => ({ batch: `fbk_${i}`, source: 'x'.repeat(60), acceptedAt: '2026-01-01T00:00:00Z' }));
  const server = createServer((_request, reply) => {
    reply.setHeader('content-type', 'application/json');
    reply.end(JSON.stringify({ items, nextCursor: null }));
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const started = start(['monitor', 'batches', 'm', '--json', '--project', 'p', '--url', url], { cwd: tmpdir() });
  started.child.stdout!.pause();
  await setTimeout(1000);
  started.child.stdout!.resume();
  const { code, out, err } = await started.ended;
  assert.deepEqual([code, err, (JSON.parse(out) as object[]).length], [0, '', items.length]);
});
