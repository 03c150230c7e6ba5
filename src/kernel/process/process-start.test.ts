import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isProcessRunning, processStart } from './process-start.ts';

test('A process has a beginning while it runs', async () => {
  const child = spawn('sleep', ['30']);
  const pid = child.pid!;
  assert.match(processStart(pid), /^\d+$/);
  assert.equal(processStart(pid), processStart(pid));
  assert.ok(isProcessRunning(pid) && isProcessRunning(process.pid));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.deepEqual([processStart(pid), isProcessRunning(pid)], ['', false]);
});

test('A zombie has ended, although its number is still taken', async (t) => {
  // The shell's child ends, and what the shell turns into never asks for it.
  const parent = spawn('/bin/sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 30']);
  t.after(() => parent.kill('SIGKILL'));
  const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
  const pid = Number(line);
  const state = (): string => /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))![1]!;
  for (let i = 0; i < 500 && state() !== 'Z'; i++) await delay(10);
  assert.equal(state(), 'Z');
  assert.deepEqual([processStart(pid), isProcessRunning(pid)], ['', false]);
});
