// One process per replica: two would write the same segments. The lock is a file with the process id and
// when that process began, so that a number given to another program later does not hold it.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processStart } from '../../../kernel/process-start.ts';
import { fail } from '../errors.ts';
import { servingPaths } from '../plan.ts';

/** Raises `replica-running`. Returns what releases the lock. */
export function lockReplica(dir: string, replica: string): () => void {
  const folder = join(servingPaths(dir).root, 'replicas');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `${replica}.pid`);
  for (;;) {
    try {
      writeFileSync(file, `${process.pid} ${processStart(process.pid)}`, { flag: 'wx', mode: 0o600 });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error;
      const [pid = '0', began = ''] = readFileSync(file, 'utf8').split(' ');
      if (began !== '' && processStart(Number(pid)) === began) fail('replica-running', { replica, pid: Number(pid) });
      rmSync(file, { force: true });
    }
  }
}
