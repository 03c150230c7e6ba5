// Runs whose gyre was killed before it could end them: the next one on the same machine says so.
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { wallClock } from '../../kernel/clock.ts';
import { processStart } from '../../kernel/process/process-start.ts';
import type { TrackingServer } from './tracking-server.ts';

export const SUPERVISOR = 'gyre.supervisor';
export const COMMAND_PROCESS = 'gyre.process';
export const HOST = 'gyre.host.name';
const INITIAL_NAMESPACE = 'pid:[4026531836]';

const text = (read: () => string): string => {
  try {
    return read().trim();
  } catch {
    return '';
  }
};

/** A process and where its number counts: number, start, boot of the machine, namespace. '' where nobody tells. */
export function processMark(pid: number): string {
  const start = processStart(pid);
  if (start === '') return '';
  const boot = text(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'));
  return [pid, start, boot, text(() => readlinkSync('/proc/self/ns/pid'))].join(' ');
}

/** Whether a process is surely gone; one of another container is never judged. */
export function isGone(mark: string): boolean {
  const [pid, start, boot, namespace] = mark.split(' ');
  const here = processMark(process.pid).split(' ');
  if (!pid || !boot || here.length < 4 || namespace !== here[3]) return false;
  if (boot !== here[2]) return namespace === INITIAL_NAMESPACE;
  return processStart(Number(pid)) !== start;
}

/** Ends runs of an experiment that nobody looks after any more; answers their ids. */
export async function endLeftBehind(server: TrackingServer, experimentId: string): Promise<string[]> {
  const name = hostname().replaceAll("'", '');
  const found = await server.runningRuns(experimentId, `attributes.status = 'RUNNING' and tags.\`${HOST}\` = '${name}'`);
  const ended: string[] = [];
  for (const { info, data } of found) {
    const tag = (key: string): string => data?.tags?.find((t) => t.key === key)?.value ?? '';
    const command = tag(COMMAND_PROCESS);
    // A command that goes on without its gyre still logs.
    if (!isGone(tag(SUPERVISOR)) || (command !== '' && !isGone(command))) continue;
    await server.setTags(info.run_id, { 'gyre.end_reason': 'gyre was ended before its command' });
    await server.endRun(info.run_id, 'KILLED', wallClock.now());
    ended.push(info.run_id);
  }
  return ended;
}
