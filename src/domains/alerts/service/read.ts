// Alerts as other rooms read them.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Alert, AlertState } from '../model.ts';
import * as store from '../store/alerts.ts';
import { mutedByData } from './scene.ts';

const NEWEST = '~';

/** Alerts of a project that fire or are recovering, muted ones too (`muted` says why), newest first. */
export const activeAlerts = (ctx: Ctx, project: string, filter: { readonly monitor?: string } = {}): Promise<Alert[]> =>
  store.listAlerts(ctx.db, ctx.workspace, project, { ...filter, states: ['firing', 'recovering'] }, NEWEST, 1000);

/** Alerts of a project in these states (default all), newest first; `before` is the id of the last one seen. */
export const listAlerts = (
  ctx: Ctx,
  project: string,
  filter: { readonly monitor?: string; readonly states?: readonly AlertState[]; readonly before?: string; readonly limit?: number } = {},
): Promise<Alert[]> => store.listAlerts(ctx.db, ctx.workspace, project, filter, filter.before ?? NEWEST, filter.limit ?? 1000);

/** Whether what drifts may only be broken: a quality alert of the monitor fires, or the newest version of a dataset is in quarantine. */
export const isMutedByData = async (ctx: Ctx, project: string, monitor: string): Promise<boolean> =>
  (await mutedByData(ctx, project, monitor)) !== '';
