// An Alertmanager takes an alert for resolved when it hears no more of it, so what fires is sent again each minute.
// These are no deliveries: nothing new is told, and the next minute is the next attempt.
import type { Ctx } from '../../../kernel/ctx.ts';
import { send } from '../senders/send.ts';
import { listAlerts } from '../store/alerts.ts';
import { getDelivery, listOfAlert } from '../store/deliveries.ts';
import { isSilenced } from './notify.ts';
import { sceneOf } from './scene.ts';
import type { Message } from './tell.ts';

export async function keepAlive(ctx: Ctx, project: string): Promise<void> {
  const alerts = await listAlerts(ctx.db, ctx.workspace, project, { states: ['firing', 'recovering'] }, '~', 1000);
  if (alerts.length === 0) return;
  const { receivers } = await sceneOf(ctx, project);
  const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  // One that does not answer is waited for once, not once for each alert.
  const silent = new Set<string>();
  for (const alert of alerts.filter((a) => a.muted === '')) {
    const names = alert.receivers.filter((name) => receivers[name]?.kind === 'alertmanager' && !silent.has(name));
    if (names.length === 0 || (await isSilenced(ctx, alert, nowUs))) continue;
    const told = await listOfAlert(ctx.db, ctx.workspace, alert.id);
    for (const name of names) {
      const last = told.find((d) => d.receiver === name && d.state === 'delivered');
      const stored = last && (await getDelivery(ctx.db, ctx.workspace, last.id));
      if (!stored) continue;
      const { outcome, status, error } = await send(ctx, receivers[name]!, stored.message as Message);
      if (outcome === 'delivered') continue;
      if (status === null) silent.add(name);
      ctx.log.warn({ event: 'alerts.keep-alive-failed', alert: alert.id, receiver: name, reason: error });
    }
  }
}
