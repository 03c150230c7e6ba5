// Who a process is: its number together with when it began, because numbers are given out again.
import { readFileSync } from 'node:fs';

/**
 * When a process began, in the kernel's clock ticks since boot; '' if there is none. A zombie counts as none: it
 * has ended and only waits for its parent, which in a container may never look.
 */
export function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '' : (fields[19] ?? '');
  } catch {
    return '';
  }
}

/** Says whether a process with this number runs. */
export function isProcessRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EPERM') return false;
  }
  // A signal reaches a zombie too; where there is no /proc, its word is all there is.
  return processStart(pid) !== '' || processStart(process.pid) === '';
}
