// Applies defaults and expands shorthand.
import {
  durationMs,
  type EvaluateStep,
  type FeaturesStep,
  type MissingRule,
  type OutputKind,
  type ProjectDefinition,
  type RegisterStep,
  type RunStep,
  type SpineDefinition,
  type StepDefinition,
} from './model.ts';
import { predictStepOf, withScoredDatasets } from './predict/predict-normalise.ts';
import { freezeWindowOf, loopOf, releasePolicyOf, shareOf } from './loop/normalise.ts';
import type { RawProject } from './parse.ts';
import { trialOf } from './trials/trials.ts';

export type RawStep = NonNullable<RawProject['pipelines']>[string]['steps'][string];
type RawSpine = Extract<RawStep, { spine: unknown }>['spine'];

const DEFAULT_TIMEOUT = '1h';

const list = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;
const mapped = <A, B>(record: Readonly<Record<string, A>> | undefined, of: (name: string, value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record ?? {}).map(([name, value]) => [name, of(name, value)]));

const spineOf = (s: RawSpine): SpineDefinition => ({
  dataset: s.dataset,
  at: s.at,
  label: s.label,
  where: s.where ?? null,
  between: [s.between[0]!, s.between[1]!],
  knownBy: s.known_by ?? null,
});

function stepOf(name: string, step: RawStep, raw: RawProject): StepDefinition {
  const needs = step.needs ?? [];
  const owners = (refs: readonly string[]): string[] => [...new Set([...needs, ...refs.map((r) => r.split('.')[0]!)])];
  if ('features' in step)
    return { kind: 'features', name, needs, service: step.features, spine: spineOf(step.spine) } satisfies FeaturesStep;
  if ('evaluate' in step)
    return {
      kind: 'evaluate',
      name,
      needs: owners([step.evaluate]),
      model: step.evaluate,
      service: step.on.features,
      spine: spineOf(step.on.spine),
      slices: step.slices ?? [],
    } satisfies EvaluateStep;
  if ('predict' in step) return predictStepOf(name, step, raw);
  if ('run' in step)
    return {
      kind: 'run',
      name,
      needs: owners(step.in ?? []),
      command: step.run,
      environment: step.environment ?? null,
      inputs: step.in ?? [],
      code: step.code ?? null,
      outputs: mapped(step.out, (_, out): OutputKind => (typeof out === 'string' ? out : 'logged-model')),
      env: mapped(step.env, (_, value) => String(value)),
      secrets: step.secrets ?? {},
      timeoutMs: durationMs(step.timeout ?? DEFAULT_TIMEOUT),
      retry: step.retry ?? 0,
    } satisfies RunStep;
  return {
    kind: 'register',
    name,
    needs: owners([step.from, step.evaluation]),
    model: step.model,
    from: step.from,
    evaluation: step.evaluation,
  } satisfies RegisterStep;
}

export function normalise(raw: RawProject): ProjectDefinition {
  return withScoredDatasets({
    project: raw.project,
    description: raw.description ?? '',
    code: raw.code ?? [],
    timeline: { mode: raw.timeline?.mode ?? 'live', startUs: raw.timeline?.start ? Date.parse(raw.timeline.start) * 1000 : 0 },
    environments: mapped(raw.environments, (_, e) => ({ lock: e.lock, python: e.python ?? null })),
    datasets: mapped(raw.datasets, (name, d) => ({
      name,
      source: list(d.source),
      sql: d.sql ?? null,
      from: d.from ?? [],
      key: d.key,
      occurredAt: d.occurred_at ?? null,
      knownAt: d.known_at ?? d.occurred_at ?? null,
      contract: d.contract ?? null,
      description: d.description ?? '',
      purposes: d.purposes ?? null,
      legalBasis: d.legal_basis ?? null,
      retentionUs: d.retention ? durationMs(d.retention) * 1000 : null,
    })),
    views: mapped(raw.features?.views, (name, v) => ({
      name,
      dataset: v.dataset,
      entity: v.entity,
      ttlUs: v.ttl ? durationMs(v.ttl) * 1000 : null,
      columns: v.columns,
      sql: v.sql ?? null,
    })),
    services: mapped(raw.features?.services, (name, s) => ({ name, views: s.views, request: s.request })),
    pipelines: mapped(raw.pipelines, (name, p) => ({
      name,
      params: p.params ?? {},
      purpose: p.purpose ?? null,
      steps: Object.entries(p.steps).map(([n, s]) => stepOf(n, s, raw)),
    })),
    models: mapped(raw.models, (name, m) => ({
      name,
      task: m.task ?? 'binary',
      score: m.score ?? null,
      description: m.description ?? '',
      gates: (m.gates ?? []).map((g) => ({
        metric: g.metric,
        ...(g.floor === undefined ? {} : { floor: g.floor }),
        ...(g.ceiling === undefined ? {} : { ceiling: g.ceiling }),
        ...(g.slice === undefined ? {} : { slice: g.slice }),
        ...(g.min_rows === undefined ? {} : { minRows: g.min_rows }),
        ...(g.not_worse_than === undefined ? {} : { notWorseThan: g.not_worse_than }),
        ...(g.better_than === undefined ? {} : { betterThan: g.better_than }),
        ...(g.margin === undefined ? {} : { margin: g.margin }),
        ...(g.confidence === undefined ? {} : { confidence: g.confidence }),
        ...(g.trust === undefined ? {} : { trust: g.trust }),
      })),
    })),
    endpoints: mapped(raw.endpoints, (name, e) => ({
      name,
      model: e.model,
      service: e.features ?? null,
      assignBy: list(e.assign_by),
      personal: e.personal ?? [],
      retentionUs: e.retention ? durationMs(e.retention) * 1000 : null,
      logShare: e.log ? shareOf(e.log.share) : 1,
      release: e.release ? releasePolicyOf(e.release) : null,
      freeze: (e.freeze ?? []).map(freezeWindowOf),
      follow: e.follow ?? null,
      missing: mapped(e.missing, (_, rule): MissingRule =>
        rule === null || rule === 'null'
          ? { kind: 'null' }
          : rule === 'reject'
            ? { kind: 'reject' }
            : { kind: 'default', value: rule.default },
      ),
    })),
    ...loopOf(raw),
    trials: mapped(raw.trials, trialOf),
  });
}
