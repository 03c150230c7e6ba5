// Trials as a project declares them: defaults and shorthand, and what a schema cannot say.
import type { Static } from 'typebox';
import { durationMs } from '../model.ts';
import type { KeyPath } from '../schema-faults.ts';
import type { TrialInFile, TrialMetricName } from './schema.ts';

export interface TrialDefinition {
  readonly name: string;
  readonly endpoint: string;
  readonly kind: 'ab' | 'aa' | 'bandit';
  readonly hypothesis: string;
  /** Besides the control; weights are shares from 0 to 1. */
  readonly arms: readonly { readonly name: string; readonly version: string | null; readonly weight: number | null }[];
  readonly metric: TrialMetricName;
  /** null = as the metric is usually read. */
  readonly higherIsBetter: boolean | null;
  readonly effect: number;
  readonly alpha: number;
  readonly power: number;
  readonly rule: 'fixed-horizon' | 'confidence-sequence';
  readonly correction: 'holm' | 'benjamini-hochberg';
  readonly covariate: { readonly column: string } | { readonly beforeUs: number } | null;
  /** null = what is usual. */
  readonly guardrails: readonly { readonly metric: TrialMetricName; readonly margin: number }[] | null;
  readonly guardAlpha: number | null;
  readonly guardUnits: number | null;
  readonly longestUs: number | null;
  readonly bandit: BanditDefinition | null;
  readonly given: { readonly mean?: number; readonly variance?: number; readonly unitsPerDay?: number };
  readonly start: boolean;
}

/** What is absent is as it usually is. */
export interface BanditDefinition {
  readonly reward?: 'binary' | 'continuous';
  readonly everyUs?: number;
  readonly floor?: number;
  readonly cap?: number;
  readonly fewest?: number;
  readonly halfLifeUs?: number;
  readonly delayUs?: number;
  readonly missing?: number;
  readonly drawnBy?: 'key' | 'request';
  readonly draws?: number;
  readonly seed?: number;
}

type RawTrial = Static<typeof TrialInFile>;

const us = (duration: string): number => durationMs(duration) * 1000;
const shareOf = (text: string): number => Number((Number(text.slice(0, -1)) / 100).toFixed(9));

export function trialOf(name: string, t: RawTrial): TrialDefinition {
  const arms = Object.entries(t.arms).map(([arm, value]) => {
    const { version, weight } = typeof value === 'object' ? value : { version: value, weight: undefined };
    return { name: arm, version: version === undefined ? null : String(version), weight: weight === undefined ? null : shareOf(weight) };
  });
  return {
    ...{ name, endpoint: t.endpoint, kind: t.kind ?? (t.bandit ? 'bandit' : 'ab'), hypothesis: t.hypothesis ?? '', arms, metric: t.metric },
    ...{ higherIsBetter: t.higher_is_better ?? null, effect: t.effect, alpha: t.alpha ?? 0.05, power: t.power ?? 0.8 },
    ...{ rule: t.rule ?? 'fixed-horizon', correction: t.correction ?? 'holm' },
    covariate:
      t.covariate === undefined ? null : 'column' in t.covariate ? { column: t.covariate.column } : { beforeUs: us(t.covariate.before) },
    guardrails:
      t.guardrails?.map((g) => (typeof g === 'string' ? { metric: g, margin: 0 } : { metric: g.metric, margin: g.margin ?? 0 })) ?? null,
    ...{ guardAlpha: t.guard_alpha ?? null, guardUnits: t.guard_units ?? null },
    longestUs: t.max_duration === undefined ? null : us(t.max_duration),
    bandit: t.bandit === undefined ? null : banditOf(t.bandit),
    given: {
      ...(t.given?.mean === undefined ? {} : { mean: t.given.mean }),
      ...(t.given?.variance === undefined ? {} : { variance: t.given.variance }),
      ...(t.given?.units_per_day === undefined ? {} : { unitsPerDay: t.given.units_per_day }),
    },
    start: t.start ?? false,
  };
}

const banditOf = (b: NonNullable<RawTrial['bandit']>): BanditDefinition => ({
  ...(b.reward === undefined ? {} : { reward: b.reward }),
  ...(b.every === undefined ? {} : { everyUs: us(b.every) }),
  ...(b.floor === undefined ? {} : { floor: shareOf(b.floor) }),
  ...(b.cap === undefined ? {} : { cap: shareOf(b.cap) }),
  ...(b.min_rewards === undefined ? {} : { fewest: b.min_rewards }),
  ...(b.half_life === undefined ? {} : { halfLifeUs: us(b.half_life) }),
  ...(b.delay === undefined ? {} : { delayUs: us(b.delay) }),
  ...(b.missing === undefined ? {} : { missing: b.missing }),
  ...(b.assign === undefined ? {} : { drawnBy: b.assign }),
  ...(b.draws === undefined ? {} : { draws: b.draws }),
  ...(b.seed === undefined ? {} : { seed: b.seed }),
});

const NEEDS_OUTCOMES: readonly TrialMetricName[] = ['label', 'accuracy', 'brier', 'log_loss', 'mae'];
const CONTROL = 'control';

interface Known {
  readonly endpoints: object;
  readonly monitors: Readonly<Record<string, { readonly endpoint: string | null }>>;
  readonly trials: Readonly<Record<string, TrialDefinition>>;
}

export function checkTrials(
  d: Known,
  add: (path: KeyPath, detail: string) => void,
  refer: (path: KeyPath, kind: string, name: string, known: object) => void,
): void {
  const starting = new Map<string, string>();
  for (const [name, t] of Object.entries(d.trials)) {
    const path = ['trials', name];
    refer([...path, 'endpoint'], 'endpoint', t.endpoint, d.endpoints);
    for (const { name: arm, version } of t.arms) {
      if (arm === CONTROL) add([...path, 'arms', arm], `"${CONTROL}" is the name of what the endpoint serves; give the arm another one`);
      if (t.kind === 'aa' && version !== null)
        add([...path, 'arms', arm], 'in an A/A check every arm serves what the control serves; write {} instead of a version');
      if (t.kind !== 'aa' && version === null) add([...path, 'arms', arm], 'needs a version: a number, an alias or latest');
    }
    const weights = t.arms.reduce((sum, { weight }) => sum + (weight ?? 1 / (t.arms.length + 1)), 0);
    if (!(weights < 1)) add([...path, 'arms'], 'the weights of the arms leave nothing for the control');
    if (t.bandit && t.kind !== 'bandit') add([...path, 'bandit'], `goes with kind: bandit, and this trial is ${t.kind}`);
    const k = t.arms.length + 1;
    if ((t.bandit?.floor ?? 0) * k >= 1) add([...path, 'bandit', 'floor'], `for each of ${k} arms leaves nothing to move`);
    if ((t.bandit?.cap ?? 1) * k < 1) add([...path, 'bandit', 'cap'], `for each of ${k} arms does not give out all traffic`);
    if (t.kind === 'bandit' && t.covariate) add([...path, 'covariate'], 'a bandit takes none: it weights rewards by their propensity');
    const watched = Object.values(d.monitors).some((m) => m.endpoint === t.endpoint);
    const needs = [t.metric, ...(t.guardrails ?? []).map((g) => g.metric)].find((m) => NEEDS_OUTCOMES.includes(m));
    if (needs && !watched)
      add([...path, 'metric'], `"${needs}" needs outcomes, and no monitor brings those of the endpoint "${t.endpoint}"`);
    if (!t.start) continue;
    const other = starting.get(t.endpoint);
    if (other) add([...path, 'start'], `an endpoint has one trial at a time, and "${other}" starts on "${t.endpoint}" too`);
    starting.set(t.endpoint, name);
  }
}
