// Rules are judged on the windows of their monitor in the order in which these close, each transition in one
// transaction with its event and with what it owes to the receivers.
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail as conflict } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { newId } from '../../../kernel/ids.ts';
import { fresh, isActive, isMutable, kindOfSignal, labelsOf, logicOf, step } from '../model.ts';
import type { Alert, AlertState, Evidence, Memory, Observation, Rule, Transition } from '../model.ts';
import { judge, watch, type SignalWindow } from '../signals.ts';
import { getAlert, insertAlert } from '../store/alerts.ts';
import { deleteInstance, listInstances, saveInstance, type Instance } from '../store/rules.ts';
import { notify } from './notify.ts';
import { fingerprintOf, sceneOf, type Scene } from './scene.ts';
import { settle, update } from './settle.ts';
import { alertEvent } from './tell.ts';

/** Broken data is known before drift is judged. */
const inOrder = (rules: readonly Rule[]): Rule[] => rules.toSorted((a, b) => Number(isMutable(a.signal)) - Number(isMutable(b.signal)));

/** Judges every rule that reads this window. Inside a transaction. */
export async function judgeWindow(tx: Ctx, project: string, monitor: string, window: SignalWindow): Promise<void> {
  failpoint('alerts.before-judged');
  const scene = await sceneOf(tx, project);
  const rules = inOrder(scene.rules.filter((r) => r.monitor === monitor && kindOfSignal(r.signal) === window.kind));
  const instances = new Map((await listInstances(tx.db, tx.workspace, project)).map((i) => [i.fingerprint, i]));
  for (const rule of rules) {
    const before = await instanceOf(tx, scene, rule, instances, window.closedUs);
    if (rule.condition.kind !== 'stopped') {
      await observe(tx, scene, rule, before, judge(rule, window));
      continue;
    }
    const { instance, seen } = pulse(rule.condition.forUs, before, window);
    await observe(tx, scene, rule, instance, seen);
  }
  failpoint('alerts.after-judged');
}

/** A window with records is a sign of life; one without is only the passing of time. */
export function pulse(
  stoppedForUs: number,
  before: Instance,
  window: Pick<SignalWindow, 'n' | 'closedUs' | 'id' | 'generation'>,
): { instance: Instance; seen: Observation } {
  const alive = window.n > 0 && window.generation === 1;
  const lastUs = alive ? Math.max(before.memory.lastUs ?? 0, window.closedUs) : before.memory.lastUs;
  const atUs = Math.max(window.closedUs, before.memory.outcomes.at(-1)?.atUs ?? 0);
  // A window of an outage closes late, of a moment before the last look: that alone is no recovery.
  const seen = watch(stoppedForUs, lastUs, atUs);
  return {
    instance: { ...before, memory: { ...before.memory, lastUs } },
    seen: { ...seen, window: window.id, n: window.n },
  };
}

/** Lets the dead man of a monitor look at the time. Inside a transaction. */
export async function judgeTime(tx: Ctx, project: string, monitor: string | undefined, nowUs: number): Promise<void> {
  const scene = await sceneOf(tx, project);
  const rules = scene.rules.filter((r) => r.condition.kind === 'stopped' && (monitor === undefined || r.monitor === monitor));
  const instances = new Map((await listInstances(tx.db, tx.workspace, project)).map((i) => [i.fingerprint, i]));
  for (const rule of rules) {
    if (rule.condition.kind !== 'stopped') continue;
    const before = await instanceOf(tx, scene, rule, instances, nowUs);
    const newest = before.memory.outcomes.at(-1);
    if (newest && newest.atUs >= nowUs) continue;
    const seen = watch(rule.condition.forUs, before.memory.lastUs, nowUs);
    // A look that changes nothing leaves nothing behind: there is one each minute.
    if (newest?.breach === seen.breach && !step(rule, before.memory, seen).transition) continue;
    if (seen.breach === null && before.memory.noDataSinceUs !== null) continue;
    await observe(tx, scene, rule, before, seen);
  }
}

async function instanceOf(tx: Ctx, scene: Scene, rule: Rule, known: ReadonlyMap<string, Instance>, atUs: number): Promise<Instance> {
  const fingerprint = fingerprintOf(scene.project, rule);
  const found = known.get(fingerprint);
  const logic = logicOf(rule);
  if (found?.logic === logic) return found;
  if (found) await endAlert(tx, scene, found, atUs, 'the rule was changed');
  const memory = { ...fresh, lastUs: found?.memory.lastUs ?? null };
  return {
    project: scene.project,
    fingerprint,
    monitor: rule.monitor,
    rule: rule.name,
    logic,
    memory,
    alert: null,
    version: found?.version ?? 0,
  };
}

const evidenceOf = ({ window, value, threshold, n, method }: Observation): Evidence => ({ window, value, threshold, n, method });

async function observe(tx: Ctx, scene: Scene, rule: Rule, before: Instance, seen: Observation): Promise<void> {
  const { memory, transition } = step(rule, before.memory, seen);
  let alert = before.alert === null ? undefined : await getAlert(tx.db, tx.workspace, before.alert);
  if (transition) alert = await move(tx, scene, rule, alert, transition);
  await save(tx, { ...before, memory, alert: alert?.id ?? null });
  if (alert && (transition || isActive(memory.state))) await settle(tx, scene, alert, rule, seen.knownUs);
}

async function save(tx: Ctx, instance: Instance): Promise<void> {
  if (!(await saveInstance(tx.db, tx.workspace, instance))) conflict('conflict', { kind: 'alert rule', id: instance.rule });
}

/** Writes the alert's new state with its figures, and tells of all but firing, which waits for `settle`. */
async function move(tx: Ctx, scene: Scene, rule: Rule, before: Alert | undefined, { from, to, seen }: Transition): Promise<Alert> {
  const atUs = seen.knownUs;
  const state: AlertState = to === 'normal' ? 'dropped' : to;
  const evidence = evidenceOf(seen);
  const entry = { state, atUs, why: '', ...evidence };
  if (from === 'normal' || from === 'resolved' || before === undefined) {
    const alert: Alert = {
      id: newId('alr', tx.ids),
      project: scene.project,
      monitor: rule.monitor,
      rule: rule.name,
      signal: rule.signal,
      severity: rule.severity,
      fingerprint: fingerprintOf(scene.project, rule),
      labels: labelsOf(scene.project, rule),
      summary: rule.summary,
      receivers: rule.receivers,
      state,
      muted: '',
      told: false,
      startedUs: atUs,
      firedUs: state === 'firing' ? atUs : null,
      endedUs: null,
      evidence,
      history: [entry],
      version: 1,
      recordedMs: tx.clock.now(),
    };
    await insertAlert(tx.db, tx.workspace, alert);
    if (state === 'pending') await tx.emit(alertEvent('alert.pending', alert, atUs));
    return alert;
  }
  const ended = state === 'resolved' || state === 'dropped';
  const alert = await update(tx, before, {
    state,
    evidence,
    history: [...before.history, entry],
    firedUs: before.firedUs ?? (state === 'firing' ? atUs : null),
    endedUs: ended ? atUs : null,
  });
  if (state === 'firing' && before.state === 'recovering') await tx.emit(alertEvent('alert.relapsed', alert, atUs));
  else if (state !== 'firing') await tx.emit(alertEvent(`alert.${state}`, alert, atUs));
  return alert;
}

/** Ends what is open of a rule that is no longer what it was. */
async function endAlert(tx: Ctx, scene: Scene, instance: Instance, atUs: number, why: string): Promise<void> {
  const alert = instance.alert === null ? undefined : await getAlert(tx.db, tx.workspace, instance.alert);
  if (!alert || alert.endedUs !== null) return;
  const state: AlertState = alert.firedUs === null ? 'dropped' : 'resolved';
  const ended = await update(tx, alert, {
    state,
    endedUs: atUs,
    history: [...alert.history, { state, atUs, why, ...alert.evidence }],
  });
  await tx.emit(alertEvent(`alert.${state}`, ended, atUs, why));
  await notify(tx, scene, ended, atUs);
}

/** After a change of the rules: what has changed begins anew, what is gone ends, and open alerts get their new words. Inside a transaction. */
export async function reconcile(tx: Ctx, project: string): Promise<void> {
  const scene = await sceneOf(tx, project);
  const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, project);
  const rules = new Map(scene.rules.map((r) => [fingerprintOf(project, r), r]));
  for (const instance of await listInstances(tx.db, tx.workspace, project)) {
    const rule = rules.get(instance.fingerprint);
    if (rule && logicOf(rule) === instance.logic) {
      await refresh(tx, instance, rule);
      continue;
    }
    await endAlert(tx, scene, instance, nowUs, rule ? 'the rule was changed' : 'the rule was removed');
    if (!rule) await deleteInstance(tx.db, tx.workspace, instance);
    else {
      const memory: Memory = { ...fresh, lastUs: instance.memory.lastUs };
      await save(tx, { ...instance, logic: logicOf(rule), memory, alert: null });
    }
  }
}

async function refresh(tx: Ctx, instance: Instance, rule: Rule): Promise<void> {
  const alert = instance.alert === null ? undefined : await getAlert(tx.db, tx.workspace, instance.alert);
  if (!alert || alert.endedUs !== null) return;
  const words = { severity: rule.severity, receivers: rule.receivers, summary: rule.summary, labels: labelsOf(alert.project, rule) };
  const same =
    JSON.stringify(words) ===
    JSON.stringify({ severity: alert.severity, receivers: alert.receivers, summary: alert.summary, labels: alert.labels });
  if (!same) await update(tx, alert, words);
}
