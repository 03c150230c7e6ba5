// Denied acts as events of the chain: the first one at once, equal ones of the minute that follows as one more event with
// their number. Equal is who, which route and why, not which resource: whoever tries a million ids writes two events a
// minute. Beyond a bound of different ones in a minute all others are one.
import { makeCtx, systemActor, type Caller, type Platform } from '../../../kernel/ctx.ts';
import type { Database } from '../../../kernel/db/database.ts';
import type { Problem } from '../../../kernel/errors.ts';

export interface Denial {
  readonly caller: Caller;
  /** Method and path as the route has it, for example "DELETE /api/gyre/v1/users/:name". */
  readonly route: string;
  readonly problem: Problem;
}

interface Pending {
  readonly denial: Denial;
  readonly sinceMs: number;
  more: number;
}

const AGGREGATE_MS = 60_000;
const MOST_KINDS = 200;
const OTHERS = '(others)';
const pending = new WeakMap<Database, Map<string, Pending>>();
// Nobody waits for a record to be written but who wants to read it.
const writing = new WeakMap<Database, Promise<void>>();

const why = ({ code, params }: Problem): Record<string, unknown> => {
  const { permission, kind, needed, held } = params;
  const said = { permission, kind, needed, held };
  return { code, ...Object.fromEntries(Object.entries(said).filter(([, v]) => v !== undefined)) };
};

/** Records a denial, one after the other; what cannot be written is in the log and changes no answer. */
export function noteDenial(platform: Platform, denial: Denial): void {
  const { caller, route, problem } = denial;
  platform.log.warn({ event: 'access.denied', actor: caller.actor.id, route, ...why(problem) });
  writing.set(
    platform.database,
    (writing.get(platform.database) ?? Promise.resolve()).then(() => record(platform, denial)),
  );
}

async function record(platform: Platform, denial: Denial): Promise<void> {
  const { caller, route, problem } = denial;
  try {
    await writeCounted(platform, AGGREGATE_MS);
    const kinds = pending.get(platform.database) ?? new Map<string, Pending>();
    pending.set(platform.database, kinds);
    const key = [caller.workspace, caller.actor.kind, caller.actor.id, route, JSON.stringify(why(problem))].join('\0');
    const full = kinds.size >= MOST_KINDS && !kinds.has(key);
    const known = kinds.get(full ? OTHERS : key);
    if (known) return void known.more++;
    const kept = full ? { ...denial, caller: { actor: systemActor, workspace: 'default' }, route: OTHERS } : denial;
    kinds.set(full ? OTHERS : key, { denial: kept, sinceMs: platform.clock.now(), more: 0 });
    await write(platform, kept, 1, full ? undefined : problem.params.id);
  } catch (error) {
    platform.log.error({ event: 'access.denial.not-recorded', error });
  }
}

/** Writes what was counted and is older than this, and waits until it is there. */
export async function writeDenials(platform: Platform, olderThanMs = 0): Promise<void> {
  await writing.get(platform.database);
  await writeCounted(platform, olderThanMs);
}

// What was not repeated leaves nothing more.
async function writeCounted(platform: Platform, olderThanMs: number): Promise<void> {
  const kinds = pending.get(platform.database);
  for (const [key, { denial, sinceMs, more }] of kinds ?? []) {
    if (platform.clock.now() - sinceMs < olderThanMs) continue;
    kinds!.delete(key);
    if (more > 0) await write(platform, denial, more, undefined);
  }
}

const write = (platform: Platform, { caller, route, problem }: Denial, count: number, id: unknown): Promise<void> =>
  makeCtx(platform, { actor: caller.actor, workspace: caller.workspace }).tx((tx) =>
    tx.emit({
      type: 'access.denied',
      subject: { kind: caller.actor.kind, id: caller.actor.id },
      payload: { route, ...(route === OTHERS ? {} : why(problem)), ...(typeof id === 'string' ? { id: id.slice(0, 256) } : {}), count },
    }),
  );
