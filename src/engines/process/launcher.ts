// Starts the process of an attempt and knows it again later, also from another server process.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { wallClock } from '../../kernel/clock.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import { processStart } from '../../kernel/process/process-start.ts';
import type { Workspace } from '../../domains/pipelines/public.ts';
import { writeJson } from './json-file.ts';

/** The leader of an attempt's process group. */
export interface Launched {
  readonly pid: number;
  /** Clock ticks since boot: a later process with the same number is another one. */
  readonly began: string;
  readonly startedMs: number;
}

// $1 = folder of the attempt, $2 = the command. Nothing runs before the word "go" has come over descriptor 3:
// a server that dies before it has written down whom it started leaves nothing behind. The same descriptor
// brings a sed script that takes secrets out of the output; it is never written down, and sed is a process
// of the step's own group, so the log goes on when the server is gone. (It writes each line at once, at the
// price of reading byte by byte: some 3 MB a second.) All else is in positional parameters, so that the step's
// own variables stay as they are.
const LAUNCHER = `unset gyre_line gyre_script gyre_go
while IFS= read -r gyre_line <&3; do
  if [ "$gyre_line" = go ]; then gyre_go=1; break; fi
  gyre_script="$gyre_script$gyre_line
"
done
exec 3<&-
[ -n "$gyre_go" ] && cd "$1/work" && : > "$1/began" || exit 1
{ /bin/sh -c "$2" 2>&1 < /dev/null; printf '{"exitCode":%d}' $? > "$1/exit.json"; } | LC_ALL=C command -p sed -u -f /dev/fd/4 >> "$1/log.txt" 2>&1 4<<END
$gyre_script
END
: > "$1/log.end"`;

/** sed commands that replace each line of each secret, longest first. */
const redaction = (secrets: readonly string[]): string =>
  secrets
    .flatMap((secret) => secret.split('\n'))
    .filter((line) => line.length >= 4)
    .sort((a, b) => b.length - a.length)
    .map((line) => `s/${line.replace(/[\]\\/$*.^[]/g, '\\$&')}/(redacted)/g\n`)
    .join('');

/** What a step sees. What is not declared is not there, so a missing declaration fails instead of giving a stale hit. */
export const environmentOf = (work: string, { bin, variables, secrets }: Workspace): Record<string, string> => ({
  PATH: [bin, process.env.PATH].filter(Boolean).join(':'),
  HOME: work,
  LANG: 'C.UTF-8',
  TZ: 'UTC',
  PYTHONUNBUFFERED: '1',
  PYTHONHASHSEED: '0',
  ...variables,
  ...secrets,
});

/** Starts the command of a staged attempt in a session of its own. `onExit` tells when its leader has ended. */
export async function launch(dir: string, workspace: Workspace, onExit: () => void): Promise<void> {
  const work = join(dir, 'work');
  const child = spawn('/bin/sh', ['-c', LAUNCHER, 'launcher', dir, workspace.command], {
    cwd: work,
    detached: true,
    env: environmentOf(work, workspace),
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  child.once('exit', onExit);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const channel = child.stdio[3] as Writable;
  channel.on('error', () => undefined);
  try {
    const pid = child.pid!;
    await writeJson(join(dir, 'pid.json'), { pid, began: processStart(pid), startedMs: wallClock.now() } satisfies Launched);
    failpoint('engine.before-go');
    channel.end(`${redaction(Object.values(workspace.secrets))}go\n`);
  } catch (error) {
    channel.destroy();
    throw error;
  }
  child.unref();
}

/** A leader that had ended before its beginning was read (began '') runs no more. */
export const isRunning = ({ pid, began }: Launched): boolean => began !== '' && processStart(pid) === began;

/** Ends everything that belongs to the group of an attempt. */
export function killGroup({ pid, began }: Launched): void {
  // While the group has a member its number is not given out again, so a stranger's number means: nothing is left.
  const now = processStart(pid);
  if (now !== '' && now !== began) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}
