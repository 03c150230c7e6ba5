// What a rule would have done over past windows: the same fold as in production, over every generation of every
// window in the order in which they were closed. Muting and silences are left out: they concern who is told.
import type { Ctx } from '../../../kernel/ctx.ts';
import { currentRevision } from '../../projects/public.ts';
import { fail } from '../errors.ts';
import { fresh, kindOfSignal, logicOf, step, type Memory, type Observation, type Rule, type Transition } from '../model.ts';
import { judge, watch, type SignalReader, type SignalWindow } from '../signals.ts';
import { listInstances } from '../store/rules.ts';
import { pulse } from './judge.ts';
import { readHolding, readRule, type WrittenRule } from './rules.ts';
import { sceneOf } from './scene.ts';

export interface Replay {
  readonly rule: Rule;
  readonly windows: number;
  readonly withoutData: number;
  /** Why the last of those had none; '' = all had some. */
  readonly noDataReason: string;
  readonly transitions: readonly Transition[];
  readonly end: Memory['state'];
}

/** Raises `project-not-found`, `alert-rule-not-found`, `alert-rule-invalid`. */
export async function replayRule(
  ctx: Ctx,
  project: string,
  asked: {
    readonly rule?: string | undefined;
    readonly written?: WrittenRule | undefined;
    /** A rule that is there, with another patience. */
    readonly instead?: Pick<WrittenRule, 'for' | 'keepFiringFor'> | undefined;
    readonly fromUs?: number | undefined;
    readonly toUs?: number | undefined;
  },
  reader: SignalReader,
): Promise<Replay> {
  const rule = asked.written
    ? readRule((await currentRevision(ctx, project)).definition, asked.written)
    : patient(
        (await sceneOf(ctx, project)).rules.find((r) => r.name === asked.rule) ??
          fail('alert-rule-not-found', { project, rule: asked.rule ?? '' }),
        asked.instead ?? {},
      );
  const windows = await reader.windows({
    monitor: rule.monitor,
    kind: kindOfSignal(rule.signal),
    ...(asked.fromUs === undefined ? {} : { fromUs: asked.fromUs }),
    ...(asked.toUs === undefined ? {} : { toUs: asked.toUs }),
  });
  const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  return { rule, windows: windows.length, ...fold(rule, windows, Math.min(nowUs, asked.toUs ?? nowUs)) };
}

/** Raises `alert-rule-invalid`. */
function patient(rule: Rule, { for: holding, keepFiringFor }: Pick<WrittenRule, 'for' | 'keepFiringFor'>): Rule {
  const other = readHolding(rule.name, { when: rule.when, for: holding, keepFiringFor });
  return {
    ...rule,
    ...(holding === undefined ? {} : { for: other.for }),
    ...(keepFiringFor === undefined ? {} : { keepFiringUs: other.keepFiringUs }),
  };
}

/** Windows in the order in which they were closed, seen until a moment. Pure. */
export function fold(
  rule: Rule,
  windows: readonly SignalWindow[],
  untilUs: number,
): Pick<Replay, 'transitions' | 'withoutData' | 'noDataReason' | 'end'> {
  let memory = fresh;
  let withoutData = 0;
  let noDataReason = '';
  const transitions: Transition[] = [];
  const see = (seen: Observation): void => {
    if (seen.breach === null) [withoutData, noDataReason] = [withoutData + 1, seen.method];
    const next = step(rule, memory, seen);
    memory = next.memory;
    if (next.transition) transitions.push(next.transition);
  };
  // In production the minute or the watermark looks in between; here the first look that would breach.
  const pass = (forUs: number, toUs: number): void => {
    const missedUs = memory.lastUs === null ? Infinity : memory.lastUs + forUs + 1;
    if (missedUs < toUs) see(watch(forUs, memory.lastUs, missedUs));
  };
  for (const window of windows) {
    if (rule.condition.kind !== 'stopped') {
      see(judge(rule, window));
      continue;
    }
    const { forUs } = rule.condition;
    pass(forUs, window.closedUs);
    const { instance, seen } = pulse(forUs, { ...EMPTY, memory }, window);
    memory = instance.memory;
    see(seen);
  }
  if (rule.condition.kind === 'stopped') pass(rule.condition.forUs, untilUs);
  return { transitions, withoutData, noDataReason, end: memory.state };
}

const EMPTY = { project: '', fingerprint: '', monitor: '', rule: '', logic: '', memory: fresh, alert: null, version: 0 };

export interface RuleView {
  readonly rule: Rule;
  readonly state: Memory['state'];
  readonly noDataSinceUs: number | null;
  readonly noDataReason: string;
}

/** Every rule of a project with the state it is in. Raises `project-not-found`. */
export async function listRuleStates(ctx: Ctx, project: string): Promise<RuleView[]> {
  const { rules } = await sceneOf(ctx, project);
  const instances = await listInstances(ctx.db, ctx.workspace, project);
  return rules.map((rule) => {
    const memory = instances.find((i) => i.rule === rule.name && i.monitor === rule.monitor && i.logic === logicOf(rule))?.memory ?? fresh;
    return { rule, state: memory.state, noDataSinceUs: memory.noDataSinceUs, noDataReason: memory.noDataReason };
  });
}
