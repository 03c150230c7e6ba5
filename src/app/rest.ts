// Memory at rest. V8 collects when something is allocated, so a process that has nothing to do keeps the
// garbage of its last work for as long as it rests; here it is collected once things have become quiet.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

interface Usage {
  /** Processor time of this process so far, milliseconds. */
  readonly cpuMs: number;
  /** What the heap has taken from the system. */
  readonly heapBytes: number;
}

const LOOK_MS = 5000;
/** Less work than this between two looks is rest. */
const REST_CPU_MS = 50;
/** Less than this is not worth a pause. */
const WORTH_BYTES = 16 * 1024 * 1024;

/** Says at each look whether to collect: at rest, and grown since the last time that it was done. */
export function restWatch(): { look: (usage: Usage) => boolean; collected: (heapBytes: number) => void } {
  let cpuMs = Infinity;
  let heapBytes = 0;
  return {
    look: (usage) => {
      const atRest = usage.cpuMs - cpuMs < REST_CPU_MS;
      const first = cpuMs === Infinity;
      cpuMs = usage.cpuMs;
      return atRest && !first && usage.heapBytes - heapBytes > WORTH_BYTES;
    },
    collected: (bytes) => void (heapBytes = bytes),
  };
}

/** Collects garbage whenever this process has come to rest; the timer keeps nothing alive. */
export function collectAtRest(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: { type: 'major'; flavor: 'last-resort' }) => void;
  const watch = restWatch();
  setInterval(() => {
    const { user, system } = process.cpuUsage();
    if (!watch.look({ cpuMs: (user + system) / 1000, heapBytes: process.memoryUsage().heapTotal })) return;
    collect({ type: 'major', flavor: 'last-resort' });
    watch.collected(process.memoryUsage().heapTotal);
  }, LOOK_MS).unref();
}
