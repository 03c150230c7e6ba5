// A folder, or a part of it, that one process at a time may write.
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isProcessRunning, processStart } from './process-start.ts';

/**
 * Takes the lock `file`: who holds it stands in it, with when that process began, so that a number which was
 * given to another program later does not hold it. `held` raises the problem of the one who comes second.
 * Returns what releases the lock.
 */
export function takeLock(file: string, held: (pid: number) => never): () => void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Written whole under another name and linked: nobody reads half of it and takes it for one left behind.
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, `${process.pid} ${processStart(process.pid)}`, { mode: 0o600 });
  try {
    for (;;) {
      try {
        linkSync(fresh, file);
        return () => rmSync(file, { force: true });
      } catch (error) {
        if ((error as { code?: string }).code !== 'EEXIST') throw error;
      }
      const [pid, began] = holder(file);
      // Where there is no /proc nobody knows when a process began.
      if (began === '' ? isProcessRunning(pid) : processStart(pid) === began) held(pid);
      rmSync(file, { force: true });
    }
  } finally {
    rmSync(fresh, { force: true });
  }
}

function holder(file: string): [pid: number, began: string] {
  try {
    const [pid = '', began = ''] = readFileSync(file, 'utf8').split(' ');
    return /^[1-9]\d*$/.test(pid) ? [Number(pid), began] : [0, 'never'];
  } catch {
    // It has just been released.
    return [0, 'never'];
  }
}
