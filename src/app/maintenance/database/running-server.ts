// Whether a server writes into a folder now, from the lock that it holds.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isProcessRunning, processStart } from '../../../kernel/process/process-start.ts';

/** The process id of the server that runs in the folder; undefined if none does. */
export function writerOf(dir: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(join(dir, 'run', 'up.pid'), 'utf8');
  } catch {
    return undefined;
  }
  const [pid = '', began = ''] = text.split(' ');
  if (!/^[1-9]\d*$/.test(pid)) return undefined;
  // Where there is no /proc nobody knows when a process began.
  const there = began === '' ? isProcessRunning(Number(pid)) : processStart(Number(pid)) === began;
  return there ? Number(pid) : undefined;
}
