import { execFile } from 'node:child_process';
import { constants, readFileSync } from 'node:fs';
import { access, readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { count } from '../../../kernel/cli/terminal.ts';
import { processesFile, type Processes } from '../../processes.ts';
import { writerOf } from '../database/running-server.ts';
import { bytesText } from '../usage/bytes-text.ts';
import { fault, ok, warning, type Finding } from './finding.ts';

export async function checkFolder(dir: string): Promise<Finding> {
  const stats = await stat(dir).catch(() => undefined);
  if (!stats?.isDirectory()) return fault('folder', `${dir} is not there`, 'start "gyre up" once, or name the right folder with --dir');
  const may = await access(dir, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!may)
    return fault('folder', `${dir} may not be read and written by this user`, `give it to the user of the server: chown -R USER ${dir}`);
  const others = stats.mode & 0o077;
  return others === 0
    ? ok('folder', `${dir} is its owner's alone`)
    : warning(
        'folder',
        `${dir} may be entered by other users (mode ${(stats.mode & 0o777).toString(8)}), and holds keys`,
        `chmod 700 ${dir}`,
      );
}

const LOW_BYTES = 2e9;
const LOW_SHARE = 0.05;
const DAY_MS = 24 * 3_600_000;

export async function checkDisk(dir: string): Promise<Finding> {
  const found = await statfs(dir).catch(() => undefined);
  if (!found) return fault('disk', 'its free space is not known', 'see that the folder is there');
  const [free, share] = [found.bavail * found.bsize, found.bavail / Math.max(1, found.blocks)];
  const text = `${bytesText(free)} free (${Math.round(share * 100)} %)`;
  if (free < LOW_BYTES / 10) return fault('disk', text, 'make room now: writes are about to be refused; "gyre du" says what takes it');
  return free < LOW_BYTES || share < LOW_SHARE ? warning('disk', text, 'make room soon; "gyre du" says what takes it') : ok('disk', text);
}

/** What daily jobs should have removed. Files of attempts that are kept for so many days; 0: for ever. */
export async function checkLeftovers(dir: string, nowMs: number, attemptRetentionDays: number): Promise<Finding> {
  const limitMs = 30 * DAY_MS;
  const isOlder = async (path: string, ms: number): Promise<boolean> => {
    const stats = await stat(path).catch(() => undefined);
    return stats !== undefined && nowMs - stats.mtimeMs > ms;
  };
  const namesIn = (...at: string[]): Promise<string[]> => readdir(join(dir, ...at)).catch(() => []);
  let [copies, attempts] = [0, 0];
  for (const name of await namesIn('staged')) if (await isOlder(join(dir, 'staged', name), limitMs)) copies += 1;
  // The sweep counts from the end of the run, and comes once a day.
  const keptMs = attemptRetentionDays === 0 ? Infinity : attemptRetentionDays * DAY_MS + limitMs;
  for (const run of await namesIn('attempts'))
    for (const attempt of await namesIn('attempts', run))
      if (await isOlder(join(dir, 'attempts', run, attempt, 'work'), keptMs)) attempts += 1;
  if (copies + attempts === 0) return ok('leftovers', 'no copy and no files of an attempt are older than they should be');
  const old = [
    ...(copies > 0 ? [`${count(copies)} in staged/`] : []),
    ...(attempts > 0 ? [`files of ${count(attempts)} in attempts/`] : []),
  ];
  return warning('leftovers', `old: ${old.join(', ')}`, 'the daily sweep of a running server removes them, unless their run goes on');
}

export async function checkPython(): Promise<Finding> {
  const run = promisify(execFile);
  const version = (program: string) =>
    run(program, ['--version'], { timeout: 10_000 }).then(
      (r) => (r.stdout + r.stderr).trim(),
      () => undefined,
    );
  const [python, uv] = await Promise.all([version('python3'), version('uv')]);
  if (python && uv) return ok('python', `${python}, ${uv.replace(/ \(.*/, '')}`);
  return warning(
    'python',
    [python ?? 'no python3', uv ?? 'no uv'].join(', '),
    'steps that run Python need both: install Python 3.10 or newer, and uv ("pip install uv")',
  );
}

export async function checkServer(dir: string): Promise<Finding> {
  const pid = writerOf(dir);
  if (pid === undefined) return ok('server', 'none runs in this folder');
  try {
    const { url } = (JSON.parse(readFileSync(processesFile(dir), 'utf8')) as Processes).control!;
    const reply = await fetch(`${url}/version`, { signal: AbortSignal.timeout(5000) });
    if (reply.ok) return ok('server', `process ${pid} answers at ${url}`);
    return fault('server', `process ${pid} answers ${reply.status} at ${url}`, 'look into its log and restart it');
  } catch (error) {
    return fault('server', `process ${pid} does not answer: ${(error as Error).message}`, 'look into its log and restart it');
  }
}
