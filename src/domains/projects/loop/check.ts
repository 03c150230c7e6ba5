// What a schema cannot say of monitors, alerts, receivers, retraining and staged releases.
import { Cron } from 'croner';
import { metrics } from '../../../stats/metrics.ts';
import { monitorSignals } from './model.ts';
import { isForPossible, parseCondition } from './normalise.ts';
import type { ProjectDefinition } from '../model.ts';
import type { RawProject } from '../parse.ts';
import type { KeyPath } from '../schema-faults.ts';

type Add = (path: KeyPath, detail: string) => void;
type Refer = (path: KeyPath, kind: string, name: string, known: object) => void;

const GUARDRAILS = [
  ...['error_rate', 'latency', 'latency_p99', 'prediction_drift', 'disagreement', 'null_rate', 'feature_drift', 'reward'],
];

const metricsOf = (task: string): Record<string, unknown> => Object.fromEntries(Object.entries(metrics).filter(([, m]) => m.task === task));
const named = (names: readonly string[]): Record<string, true> => Object.fromEntries(names.map((n) => [n, true]));

export function checkLoop(raw: RawProject, d: ProjectDefinition, add: Add, refer: Refer): void {
  for (const [name, e] of Object.entries(d.endpoints)) {
    e.freeze.forEach((f, i) => {
      const at = ['endpoints', name, 'freeze', i];
      const fault = cronFault(f.cron, f.zone);
      if (fault) add(at, `"${f.cron}" in ${f.zone} is not a schedule of five fields: ${fault}`);
    });
    if (e.logShare > 1) add(['endpoints', name, 'log', 'share'], 'the part of the predictions that is logged is at most 100%');
    if (!e.release) continue;
    const path = ['endpoints', name, 'release'];
    const { steps } = e.release;
    if (steps.some((s, i) => s <= 0 || s > 1 || (i > 0 && s <= steps[i - 1]!)))
      add([...path, 'steps'], 'the steps are shares above 0% that grow: [10%, 50%, 100%]');
    if (steps.at(-1) !== 1) add([...path, 'steps'], 'the last step is 100%');
    const { shadow, maxHoldUs, holdUs, guardrails } = e.release;
    if (shadow && (shadow.share <= 0 || shadow.share > 1)) add([...path, 'shadow'], 'the share of a shadow is above 0% and at most 100%');
    if (maxHoldUs !== null && maxHoldUs < holdUs) add([...path, 'max_hold'], 'max_hold is at least as long as hold');
    if (maxHoldUs === null && raw.endpoints?.[name]?.release?.after_max_hold !== undefined)
      add([...path, 'after_max_hold'], 'after_max_hold needs a max_hold');
    const last = raw.endpoints?.[name]?.release?.steps.at(-1);
    if (typeof last === 'object' && last.pause) add([...path, 'steps'], 'the last step has none after it to be let into; use bake');
    if (guardrails.some((g) => g.metric === 'disagreement') && !shadow)
      add([...path, 'guardrails'], 'disagreement is seen in a shadow, and there is none; add "shadow: 1d"');
    const known = { ...named(GUARDRAILS), ...metricsOf(d.models[e.model]?.task ?? 'binary') };
    e.release.guardrails.forEach((g, i) => refer([...path, 'guardrails', i], 'guardrail', g.metric, known));
  }
  for (const [name, m] of Object.entries(d.monitors)) {
    const path = ['monitors', name];
    if (m.endpoint !== null) refer([...path, 'endpoint'], 'endpoint', m.endpoint, d.endpoints);
    if (m.model !== null) refer([...path, 'model'], 'model', m.model, d.models);
    m.performance.forEach((metric, i) => refer([...path, 'performance', i], `metric of a ${m.task} model`, metric, metricsOf(m.task)));
    if (m.labels.from !== 'feedback') refer([...path, 'labels', 'from', 'dataset'], 'dataset', m.labels.from.dataset, d.datasets);
    if (m.baseline !== null && 'dataset' in m.baseline) refer([...path, 'baseline', 'dataset'], 'dataset', m.baseline.dataset, d.datasets);
    if (m.windowUs < 60_000_000) add([...path, 'window'], 'a window lasts at least 1m');
    if (m.baseline !== null && 'firstUs' in m.baseline && m.baseline.firstUs < m.windowUs)
      add([...path, 'baseline', 'first'], 'the first windows are at least one: as long as "window", or longer');
    if (m.estimate && m.task !== 'binary')
      add([...path, 'estimate'], `performance is estimated (CBPE) of binary models only, and this one is of ${m.task}; leave it out`);
    checkDrift(m, path, add, refer);
  }
  const names = new Set<string>();
  (raw.alerts ?? []).forEach((a, i) => {
    const path = ['alerts', i];
    const parsed = parseCondition(a.when);
    if (!parsed)
      return add(
        [...path, 'when'],
        `"${a.when}" is not of the form MONITOR.SIGNAL CONDITION; conditions are "below 0.6", "above 0.1", "below baseline by 0.03", "above baseline by 0.03", "found", "stopped for 2d"`,
      );
    const rule = Object.values(d.alerts).find((r) => r.when === a.when && (a.name === undefined || r.name === a.name));
    if (rule && names.has(rule.name)) add([...path, 'name'], `two rules are named "${rule.name}"; give one of them another name`);
    if (rule) names.add(rule.name);
    refer([...path, 'when'], 'monitor', parsed.monitor, d.monitors);
    const monitor = Object.hasOwn(d.monitors, parsed.monitor) ? d.monitors[parsed.monitor] : undefined;
    const metric = parsed.signal.replace(/^estimated\./, '');
    if (monitor && !parsed.signal.startsWith('drift.'))
      refer([...path, 'when'], 'signal', metric, { ...monitorSignals, ...named(monitor.performance) });
    if ((parsed.condition.kind === 'stopped') !== (parsed.signal === 'windows'))
      add([...path, 'when'], '"stopped for" goes with the signal "windows", and only with it');
    if (!isForPossible(a.for ?? '')) add([...path, 'for'], `"${a.for}" can never be: the first number is the smaller one`);
    (a.receivers ?? []).forEach((r, at) => refer([...path, 'receivers', at], 'receiver', r, d.receivers));
  });
  for (const [name, r] of Object.entries(d.receivers))
    if (r.kind === 'webhook' && r.secret !== null && !isReference(r.secret))
      add(['receivers', name, 'webhook', 'secret'], 'a secret does not stand in gyre.yaml; name where it is: env:NAME or file:/path');
  for (const [name, r] of Object.entries(d.retraining)) {
    const path = ['retraining', name];
    refer([...path, 'pipeline'], 'pipeline', r.pipeline, d.pipelines);
    if (r.release) refer([...path, 'endpoint'], 'endpoint', r.endpoint, d.endpoints);
    const params = d.pipelines[r.pipeline]?.params ?? {};
    for (const param of Object.keys(r.params)) refer([...path, 'params', param], 'parameter', param, params);
    r.on.forEach(({ cause, only }, i) => {
      if (cause === 'alert' && only !== null) refer([...path, 'on', i], 'alert', only, d.alerts);
      if (cause === 'data' && only !== null) refer([...path, 'on', i], 'dataset', only, d.datasets);
      if (cause === 'cron' && only !== null) {
        const fault = cronFault(only);
        if (fault) add([...path, 'on', i], `"${only}" is not a schedule of five fields: ${fault}`);
      }
    });
  }
}

const ORDERED: ReadonlySet<string> = new Set(['ks', 'wasserstein']);
const BOUNDED: ReadonlySet<string> = new Set(['js', 'hellinger', 'ks', 'chi2']);

/** Methods that fit what they are chosen for, and thresholds that can be reached. */
function checkDrift(m: ProjectDefinition['monitors'][string], at: KeyPath, add: Add, refer: Refer): void {
  const path = [...at, 'drift'];
  const { categorical, numeric } = m.drift;
  if (categorical !== null && ORDERED.has(categorical))
    add([...path, 'categorical'], `"${categorical}" needs an order, which categories lack; choose js, psi, hellinger or chi2`);
  for (const [column, { method, threshold }] of Object.entries(m.drift.columns)) {
    const own = [...path, 'columns', column];
    // The scores go by a name of their own.
    if (m.columns !== null && column !== '(score)') refer(own, 'watched column', column, named(m.columns));
    const used = method === null ? [numeric ?? 'js', categorical ?? 'js'] : [method];
    if (threshold === null) continue;
    if (used.includes('chi2') && !(threshold > 0 && threshold < 1))
      add([...own, 'threshold'], `the threshold of chi2 is a p-value, above 0 and below 1, such as 0.05; ${threshold} is none`);
    else if (used.every((name) => BOUNDED.has(name)) && threshold >= 1)
      add(
        [...own, 'threshold'],
        `${[...new Set(used)].join(' and ')} is a distance of at most 1, so that ${threshold} is never passed; usual is 0.1`,
      );
  }
}

const isReference = (text: string): boolean => /^(env:[A-Za-z_][A-Za-z0-9_]*|file:\/.+)$/.test(text);

function cronFault(pattern: string, timezone = 'UTC'): string | undefined {
  try {
    new Cron(pattern, { paused: true, timezone }).nextRun();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
