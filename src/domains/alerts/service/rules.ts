// Rules by the API. What gyre.yaml says is in the project's revision.
import type { Ctx } from '../../../kernel/ctx.ts';
import {
  alertOf,
  isForPossible,
  currentRevision,
  monitorSignals,
  parseCondition,
  type MonitorDefinition,
  type ProjectDefinition,
} from '../../projects/public.ts';
import { fail } from '../errors.ts';
import { ruleOf, type Rule } from '../model.ts';
import { rulesOf } from '../rules.ts';
import { deleteRule, insertRule, listRules } from '../store/rules.ts';
import { reconcile } from './judge.ts';
import { sceneOf } from './scene.ts';

/** As a rule is written, in gyre.yaml and in the API. */
export interface WrittenRule {
  readonly name?: string | undefined;
  readonly when: string;
  readonly for?: string | undefined;
  readonly keepFiringFor?: string | undefined;
  readonly severity?: Rule['severity'] | undefined;
  readonly receivers?: readonly string[] | undefined;
  readonly summary?: string | undefined;
}

/** Raises `alert-rule-invalid`. */
export function readRule(definition: Pick<ProjectDefinition, 'monitors' | 'receivers'>, written: WrittenRule): Rule {
  const refuse = (why: string): never => fail('alert-rule-invalid', { rule: written.name ?? written.when, why });
  const parsed =
    parseCondition(written.when) ??
    refuse('"when" is not of the form MONITOR.SIGNAL CONDITION, for example: late-arrival.roc_auc below baseline by 0.03');
  const monitor: MonitorDefinition = Object.hasOwn(definition.monitors, parsed.monitor)
    ? definition.monitors[parsed.monitor]!
    : refuse(`there is no monitor "${parsed.monitor}"`);
  const metric = parsed.signal.replace(/^estimated\./, '');
  if (!parsed.signal.startsWith('drift.') && !Object.hasOwn(monitorSignals, parsed.signal) && !monitor.performance.includes(metric))
    refuse(`the monitor "${monitor.name}" has no signal "${parsed.signal}"`);
  if ((parsed.condition.kind === 'stopped') !== (parsed.signal === 'windows'))
    refuse('"stopped for" goes with the signal "windows", and only with it');
  const unknown = written.receivers?.find((r) => !Object.hasOwn(definition.receivers, r));
  if (unknown !== undefined) refuse(`gyre.yaml has no receiver "${unknown}"`);
  return readHolding(written.name ?? written.when, written);
}

/** Raises `alert-rule-invalid`. */
export function readHolding(name: string, written: WrittenRule): Rule {
  if (!isForPossible(written.for ?? ''))
    fail('alert-rule-invalid', { rule: name, why: `"for: ${written.for}" can never be: the first number is the smaller one` });
  return ruleOf(
    alertOf({
      when: written.when,
      ...(written.name === undefined ? {} : { name: written.name }),
      ...(written.for === undefined ? {} : { for: written.for }),
      ...(written.keepFiringFor === undefined ? {} : { keep_firing_for: written.keepFiringFor }),
      ...(written.severity === undefined ? {} : { severity: written.severity }),
      ...(written.receivers === undefined ? {} : { receivers: [...written.receivers] }),
      ...(written.summary === undefined ? {} : { summary: written.summary }),
    }),
    'api',
  );
}

/** Raises `project-not-found`, `alert-rule-invalid`, `alert-rule-exists`. */
export async function createRule(ctx: Ctx, project: string, written: WrittenRule): Promise<Rule> {
  return ctx.tx(async (tx) => {
    const { definition } = await currentRevision(tx, project);
    const rule = readRule(definition, written);
    const own = rulesOf(definition, await listRules(tx.db, tx.workspace, project)).find(
      (r) => r.name === rule.name && r.managedBy !== 'default',
    );
    if (own) return fail('alert-rule-exists', { rule: rule.name, managedBy: own.managedBy });
    // One whose monitor is gone does not act, but its name is still taken.
    if (!(await insertRule(tx.db, tx.workspace, project, rule, tx.actor.id, tx.clock.now())))
      return fail('alert-rule-exists', { rule: rule.name, managedBy: 'api' });
    await tx.emit({
      type: 'alert-rule.created',
      subject: { kind: 'alert-rule', id: `${project}/${rule.name}` },
      label: rule.name,
      project,
      payload: { when: rule.when, monitor: rule.monitor, signal: rule.signal },
    });
    await reconcile(tx, project);
    return rule;
  });
}

/** Raises `project-not-found`, `alert-rule-not-found`, `alert-rule-managed`. */
export async function removeRule(ctx: Ctx, project: string, name: string): Promise<void> {
  await ctx.tx(async (tx) => {
    const { rules } = await sceneOf(tx, project);
    const ofApi = (await listRules(tx.db, tx.workspace, project)).some((r) => r.name === name);
    const other = rules.find((r) => r.name === name && r.managedBy !== 'api');
    if (!ofApi) {
      if (other) fail('alert-rule-managed', { rule: name, managedBy: other.managedBy });
      fail('alert-rule-not-found', { project, rule: name });
    }
    await deleteRule(tx.db, tx.workspace, project, name);
    await tx.emit({ type: 'alert-rule.removed', subject: { kind: 'alert-rule', id: `${project}/${name}` }, label: name, project });
    await reconcile(tx, project);
  });
}
