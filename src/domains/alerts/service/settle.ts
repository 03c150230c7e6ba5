// Who is told of an alert: the other rooms by an event, the receivers by deliveries.
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail as conflict } from '../../../kernel/errors.ts';
import { isActive, isMutable, type Alert, type Rule } from '../model.ts';
import { updateAlert } from '../store/alerts.ts';
import { notify } from './notify.ts';
import { mutedByData, type Scene } from './scene.ts';
import { alertEvent } from './tell.ts';

/** Raises `conflict`. Inside a transaction. */
export async function update(tx: Ctx, before: Alert, change: Partial<Alert>): Promise<Alert> {
  const next = { ...before, ...change };
  if (!(await updateAlert(tx.db, tx.workspace, next, [before.state]))) conflict('conflict', { kind: 'alert', id: before.id });
  return { ...next, version: next.version + 1 };
}

/**
 * An active alert is told to the other rooms once, unless broken data mutes it: then that is told, and it fires
 * for them when the data is whole again. Its receivers get what they are owed.
 */
export async function settle(tx: Ctx, scene: Scene, given: Alert, rule: Pick<Rule, 'signal'>, atUs: number): Promise<void> {
  let alert = given;
  if (isActive(alert.state)) {
    const muted = isMutable(rule.signal) ? await mutedByData(tx, scene.project, alert.monitor) : '';
    const told = alert.told || muted === '';
    if (muted !== alert.muted || told !== alert.told) {
      const [silencedNow, firesNow] = [alert.muted === '' && muted !== '', told && !alert.told];
      alert = await update(tx, alert, { muted, told });
      if (silencedNow) await tx.emit(alertEvent('alert.muted', alert, atUs));
      if (firesNow) await tx.emit(alertEvent('alert.firing', alert, atUs));
    }
  }
  await notify(tx, scene, alert, atUs);
}
