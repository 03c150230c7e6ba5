// A frozen endpoint begins no release and takes no step of one; going back to what it served stays possible. It is frozen by
// a person, or by a window of its project's calendar.
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel, type Level } from '../../../kernel/levels.ts';
import { usToIso } from '../../../kernel/timeline/timeline.ts';
import { currentRevision } from '../../projects/public.ts';
import { fail } from '../errors.ts';
import { windowAt, type OpenWindow } from './calendar.ts';
import * as store from '../store/freezes.ts';
import type { Freeze } from '../store/freezes.ts';

export type { Freeze } from '../store/freezes.ts';

interface OfEndpoint {
  readonly project: string;
  readonly endpoint: string;
}

/** The freeze of an endpoint that holds now, or undefined. */
export const findFreeze = (ctx: Ctx, project: string, endpoint: string): Promise<Freeze | undefined> =>
  store.findFreeze(ctx.db, ctx.workspace, project, endpoint);

/** Says whether an endpoint is frozen: no release of it may begin or take a step. */
export const isFrozen = async (ctx: Ctx, project: string, endpoint: string): Promise<boolean> =>
  (await findFreeze(ctx, project, endpoint)) !== undefined;

/** The window of the calendar that holds now, in event time; undefined if there is none. */
export async function openWindow(ctx: Ctx, { project, endpoint }: OfEndpoint): Promise<OpenWindow | undefined> {
  const windows = (await currentRevision(ctx, project)).definition.endpoints[endpoint]?.freeze ?? [];
  if (windows.length === 0) return undefined;
  return windowAt(windows, (await ctx.timeline.read(ctx.db, ctx.workspace, project)).nowUs);
}

/** What freezes the endpoint now, in words; undefined if nothing does. */
export async function frozenBy(ctx: Ctx, project: string, endpoint: string): Promise<string | undefined> {
  const freeze = await findFreeze(ctx, project, endpoint);
  if (freeze) return freeze.reason;
  const open = await openWindow(ctx, { project, endpoint });
  return open && `${open.window.reason}, until ${usToIso(open.untilUs)}`;
}

/** Raises `endpoint-frozen`. */
export async function requireNotFrozen(ctx: Ctx, of: OfEndpoint): Promise<void> {
  const { project, endpoint } = of;
  const freeze = await findFreeze(ctx, project, endpoint);
  if (freeze) fail('endpoint-frozen', { endpoint, by: freeze.actor, reason: freeze.reason, until: null });
  const open = await openWindow(ctx, of);
  if (open) fail('endpoint-frozen', { endpoint, by: 'its calendar', reason: open.window.reason, until: usToIso(open.untilUs) });
}

/** Freezes an endpoint; freezing a frozen one changes only its reason. Raises `project-not-found`, `endpoint-not-found`. */
export async function freezeEndpoint(ctx: Ctx, { project, endpoint, reason }: OfEndpoint & { reason: string }): Promise<Freeze> {
  await requireEndpoint(ctx, { project, endpoint }, 'EDIT');
  return ctx.tx(async (tx) => {
    const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, project);
    const freeze: Freeze = { project, endpoint, reason, actor: tx.actor.id, sinceUs: nowUs };
    await store.putFreeze(tx.db, tx.workspace, freeze);
    await tx.emit({
      type: 'endpoint.frozen',
      subject: { kind: 'endpoint', id: endpoint },
      label: `${endpoint} frozen`,
      project,
      // The reason is a person's words; it stays with the record.
      payload: { endpoint },
      occurredUs: nowUs,
    });
    return freeze;
  });
}

/** Lets an endpoint move again; one that is not frozen stays as it is. Raises `project-not-found`, `endpoint-not-found`. */
export async function unfreezeEndpoint(ctx: Ctx, { project, endpoint }: OfEndpoint): Promise<void> {
  await requireEndpoint(ctx, { project, endpoint }, 'EDIT');
  await ctx.tx(async (tx) => {
    if (!(await store.deleteFreeze(tx.db, tx.workspace, project, endpoint))) return;
    const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, project);
    await tx.emit({
      type: 'endpoint.unfrozen',
      subject: { kind: 'endpoint', id: endpoint },
      label: `${endpoint} unfrozen`,
      project,
      payload: { endpoint },
      occurredUs: nowUs,
    });
  });
}

/** Raises `project-not-found`, `endpoint-not-found`. */
export async function requireEndpoint(ctx: Ctx, of: OfEndpoint, needed: Level = 'READ'): Promise<void> {
  const { definition } = await currentRevision(ctx, of.project);
  if (!Object.hasOwn(definition.endpoints, of.endpoint)) fail('endpoint-not-found', of);
  requireLevel(ctx, 'endpoint', of.endpoint, needed);
}
