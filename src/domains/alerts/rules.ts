// Which rules a project has: those of gyre.yaml, those of the API, and those that every monitor gets. Pure.
import { isMetricName, metrics } from '../../stats/metrics.ts';
import type { MonitorDefinition, ProjectDefinition } from '../projects/public.ts';
import { ruleOf, type Rule } from './model.ts';

/** A rule of the API whose monitor is gone, or whose name the file has taken, does not act. */
export function rulesOf(definition: Pick<ProjectDefinition, 'alerts' | 'monitors' | 'receivers'>, ofApi: readonly Rule[]): Rule[] {
  const file = Object.values(definition.alerts).map((a) => ruleOf(a, 'file'));
  const names = new Set(file.map((r) => r.name));
  const own = [...file, ...ofApi.filter((r) => Object.hasOwn(definition.monitors, r.monitor) && !names.has(r.name))];
  const taken = new Set(own.map((r) => r.name));
  const receivers = Object.hasOwn(definition.receivers, 'default') ? ['default'] : [];
  const defaults = Object.values(definition.monitors)
    .flatMap((m) => defaultRules(m, receivers))
    .filter((d) => !own.some((r) => r.monitor === d.monitor && r.signal === d.signal));
  return [...own, ...defaults.map((d) => (taken.has(d.name) ? { ...d, name: `${d.name}-default` } : d))];
}

/** How many window lengths may pass without a window before somebody is told. */
const DEAD_AFTER = 3;

export function defaultRules(m: MonitorDefinition, receivers: readonly string[]): Rule[] {
  const rule = (signal: string, condition: Rule['condition'], when: string, windows: number, of: number, summary: string): Rule => ({
    name: `${m.name}-${signal}`.toLowerCase().replace(/[^a-z0-9_-]+/g, '-'),
    monitor: m.name,
    signal,
    condition,
    when: `${m.name}.${signal} ${when}`,
    for: { windows, of },
    keepFiringUs: 0,
    severity: 'warn',
    receivers,
    summary,
    managedBy: 'default',
  });
  const found = { kind: 'found' } as const;
  const forUs = DEAD_AFTER * m.windowUs;
  const lead = m.performance[0];
  return [
    rule('quality', found, 'found', 1, 1, 'The data is broken'),
    ...(lead === undefined ? [] : [performanceRule(rule, lead)]),
    rule('drift', found, 'found', 2, 3, 'The inputs have drifted'),
    rule('prediction_drift', found, 'found', 2, 3, 'The predictions have drifted'),
    rule('windows', { kind: 'stopped', forUs }, `stopped for ${duration(forUs)}`, 1, 1, 'No records arrive any more'),
  ];
}

/** In the largest unit that says it without a rest. */
function duration(us: number): string {
  const seconds = Math.round(us / 1e6);
  for (const [unit, length] of [
    ['w', 604_800],
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
  ] as const)
    if (seconds % length === 0) return `${seconds / length}${unit}`;
  return `${seconds}s`;
}

type Make = (signal: string, condition: Rule['condition'], when: string, windows: number, of: number, summary: string) => Rule;

/** Metrics between 0 and 1 by 0.03; those in units of the outcome by a tenth of the baseline. */
function performanceRule(rule: Make, metric: string): Rule {
  const known = isMetricName(metric) ? metrics[metric] : undefined;
  const higher = known?.higherIsBetter ?? true;
  const relative = metric === 'mae' || metric === 'rmse';
  const kind = higher ? 'below-baseline' : 'above-baseline';
  const condition = relative ? ({ kind, by: 0.1, relative: true } as const) : ({ kind, by: 0.03 } as const);
  return rule(metric, condition, `${higher ? 'below' : 'above'} baseline by ${relative ? '10%' : '0.03'}`, 2, 2, 'The model got worse');
}
