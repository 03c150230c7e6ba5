import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { readSettings, secretsOf } from './config/settings.ts';
import { openLog, type Log } from './log.ts';

function written(
  t: TestContext,
  level: string,
  secrets: readonly string[],
  write: (log: Log) => void,
): { text: string; lines: Record<string, unknown>[] } {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-log-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'log');
  const fd = openSync(path, 'w');
  write(openLog(level, { secrets, fd }));
  closeSync(fd);
  const text = readFileSync(path, 'utf8');
  return {
    text,
    lines: text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

test('a line is one JSON object with its level, its time and its event', (t) => {
  const { lines } = written(t, 'info', [], (log) => {
    log.debug({ event: 'not.written' });
    log.child({ part: 'jobs' }).warn({ event: 'job.failed', id: 'job_1', error: new Error('on\ntwo lines') });
  });
  assert.equal(lines.length, 1);
  const { time, error, ...rest } = lines[0]!;
  assert.deepEqual(rest, { level: 'warn', part: 'jobs', event: 'job.failed', id: 'job_1' });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.equal((error as { message: string }).message, 'on\ntwo lines');
});

test('members that are named like secrets are censored, at several depths', (t) => {
  const { text } = written(t, 'info', [], (log) => {
    log.info({
      event: 'x',
      password: 'hunter2',
      headers: { authorization: 'hunter2', deep: { token: 'hunter2' } },
      databaseUrl: 'hunter2',
    });
  });
  assert.doesNotMatch(text, /hunter2/);
  assert.equal(text.match(/\(redacted\)/g)?.length, 4);
});

test('the values of secret settings are taken out wherever they turn up: messages, stacks, encoded', (t) => {
  const settings = readSettings({ GYRE_DATABASE_URL: 'postgres://gyre:p%40ss%22word@db/gyre', GYRE_TOKEN: 'gyre_abcdef' });
  const { text, lines } = written(t, 'info', secretsOf(settings), (log) => {
    log.error({ event: 'x', error: new Error('cannot reach postgres://gyre:p%40ss%22word@db/gyre') });
    log.info({ event: 'y', note: 'the password is p@ss"word', list: ['Bearer gyre_abcdef'] });
    log.child({ where: 'p%40ss%22word' }).info({ event: 'z' });
  });
  assert.doesNotMatch(text, /p@ss|p%40ss|gyre_abcdef/);
  assert.equal(lines.length, 3);
});
