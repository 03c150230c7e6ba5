// A step's log: what its attempts wrote, one after the other, read from any byte on and followed while it grows.
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ctx } from '../../../../kernel/ctx.ts';
import { fail } from '../../errors.ts';
import { listAttempts } from '../../store/attempts.ts';
import { getStep } from '../../store/steps.ts';

export interface LogPart {
  readonly text: string;
  /** The byte to go on from. */
  readonly next: number;
  /** Nothing more will come. */
  readonly ended: boolean;
}

const PART_BYTES = 1024 * 1024;
const LOOK_MS = 500;

/**
 * The log from a byte on. With `waitMs` the answer comes when there is something new, when the step has
 * ended, or after that time. Raises `step-not-found`.
 */
export async function stepLog(ctx: Ctx, runId: string, name: string, from: number, waitMs = 0): Promise<LogPart> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const { part, folder } = await readPart(ctx, runId, name, from);
    const left = deadline - performance.now();
    if (part.text !== '' || part.ended || left <= 0 || ctx.signal.aborted) return part;
    await change(folder, Math.min(left, LOOK_MS), ctx.signal);
  }
}

async function readPart(ctx: Ctx, runId: string, name: string, from: number): Promise<{ part: LogPart; folder: string | undefined }> {
  const step = (await getStep(ctx.db, ctx.workspace, runId, name)) ?? fail('step-not-found', { run: runId, step: name });
  const ended = step.state !== 'running' && step.state !== 'waiting';
  const attempts = await listAttempts(ctx.db, ctx.workspace, step.cachedFrom ?? runId, name);
  let start = 0;
  for (const [i, attempt] of attempts.entries()) {
    const folder = join(ctx.settings.dir, attempt.dir);
    const path = join(folder, 'log.txt');
    const size = await stat(path).then(
      (s) => s.size,
      () => 0,
    );
    const isLast = i === attempts.length - 1;
    // An attempt that was followed by another one writes no more.
    if (from >= start + size && !isLast) {
      start += size;
      continue;
    }
    const at = Math.max(0, from - start);
    const bytes = size > at ? await readBytes(path, at, Math.min(size - at, PART_BYTES)) : Buffer.alloc(0);
    const whole = ended || attempt.state !== 'running' ? bytes : bytes.subarray(0, wholeCharacters(bytes));
    const next = start + at + whole.length;
    return { part: { text: whole.toString('utf8'), next, ended: ended && isLast && next >= start + size }, folder };
  }
  return { part: { text: '', next: from, ended }, folder: undefined };
}

async function readBytes(path: string, start: number, length: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await file.read(bytes, 0, length, start);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** How many bytes to take so that no character of UTF-8 is cut in two. */
export function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** Resolves when a file in the folder changes, or after the time. */
async function change(folder: string | undefined, ms: number, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const both = { signal: AbortSignal.any([signal, stop.signal]) };
  try {
    const waits: Promise<unknown>[] = [delay(ms, undefined, both)];
    if (folder && existsSync(folder)) waits.push(once(watch(folder, both), 'change', both));
    await Promise.race(waits);
  } catch {
    // aborted, or no more watches on this machine: the caller looks again
  } finally {
    stop.abort();
  }
}
