// Steps that score rows, and the datasets that they make.
import type { DatasetDefinition, PredictRows, PredictStep, ProjectDefinition } from '../model.ts';
import type { RawStep } from '../normalise.ts';
import type { RawProject } from '../parse.ts';

type RawPredict = Extract<RawStep, { predict: unknown }>;
type RawSpine = Extract<RawPredict['on'], { dataset: string }>;

/** Endpoint that answers for a model: the one with its name, or the only one there is. */
export function endpointOfModel(model: string, endpoints: Readonly<Record<string, { readonly model: string }>>): string | null {
  const own = Object.keys(endpoints).filter((name) => endpoints[name]!.model === model);
  return own.includes(model) ? model : own.length === 1 ? own[0]! : null;
}

const rowsOf = (s: RawSpine, service: string | null, spine: boolean): PredictRows => ({
  kind: 'dataset',
  spine,
  dataset: s.dataset,
  service,
  at: s.at ?? null,
  where: s.where ?? null,
  between: s.between ? [s.between[0]!, s.between[1]!] : null,
});

export function predictStepOf(name: string, step: RawPredict, raw: RawProject): PredictStep {
  const endpoints = raw.endpoints ?? {};
  const endpoint = step.endpoint ?? endpointOfModel(step.predict, endpoints);
  const service = (endpoint !== null && Object.hasOwn(endpoints, endpoint) && endpoints[endpoint]!.features) || null;
  const { on } = step;
  const rows: PredictRows =
    typeof on === 'string' ? { kind: 'step', ref: on } : 'spine' in on ? rowsOf(on.spine, on.features, true) : rowsOf(on, service, false);
  const version = String(step.version ?? 'champion');
  const steps = Object.values(raw.pipelines ?? {}).find((p) => Object.values(p.steps).includes(step))?.steps ?? {};
  const made = version.split('.')[0]!;
  const refs = [...(rows.kind === 'step' ? [rows.ref] : []), ...(version.includes('.') || Object.hasOwn(steps, made) ? [version] : [])];
  return {
    kind: 'predict',
    name,
    needs: [...new Set([...(step.needs ?? []), ...refs.map((r) => r.split('.')[0]!)])],
    model: step.predict,
    version,
    on: rows,
    endpoint,
    into: step.out.dataset,
    columns: step.columns ?? [],
    monitor: step.monitor ?? null,
  };
}

/** A dataset of scores that nobody declares is told from others by the key of the rows that were scored. */
export const scoredDataset = (name: string, key: readonly string[], hasMoments: boolean): DatasetDefinition => ({
  name,
  source: [],
  sql: null,
  from: [],
  key,
  occurredAt: hasMoments ? 'event_time' : null,
  knownAt: hasMoments ? 'scored_at' : null,
  contract: null,
  description: '',
  purposes: null,
  legalBasis: null,
  retentionUs: null,
});

/** Adds the datasets that steps make and the file does not declare. */
export function withScoredDatasets(d: ProjectDefinition): ProjectDefinition {
  const datasets: Record<string, DatasetDefinition> = { ...d.datasets };
  for (const { steps } of Object.values(d.pipelines))
    for (const step of steps) {
      if (step.kind !== 'predict' || Object.hasOwn(datasets, step.into)) continue;
      const { on } = step;
      const from = on.kind === 'dataset' && Object.hasOwn(d.datasets, on.dataset) ? d.datasets[on.dataset] : undefined;
      const hasMoments = on.kind === 'dataset' && (on.at !== null || (from?.occurredAt ?? null) !== null);
      datasets[step.into] = { ...scoredDataset(step.into, from?.key ?? ['row_key'], hasMoments), purposes: from?.purposes ?? null };
    }
  return { ...d, datasets };
}
