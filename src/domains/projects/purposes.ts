// Purpose limitation: what a dataset may be used for, and whether a reader says a purpose that it allows. Pure.
import type { PipelineDefinition, ProjectDefinition } from './model.ts';

/** A dataset that limits what it may be used for. */
export interface Limit {
  readonly dataset: string;
  readonly purposes: readonly string[];
}

/**
 * Limits on reading a dataset: its own, or, where it has none and SQL or a step that scores makes it from others, those
 * of what it is made from. To say other purposes for what was made is to say that it no longer holds what the limit is for.
 */
export const limitsOf = (definition: ProjectDefinition, dataset: string): Limit[] => limitsFrom(definition, dataset, new Set());

function limitsFrom(definition: ProjectDefinition, dataset: string, seen: Set<string>): Limit[] {
  const found = Object.hasOwn(definition.datasets, dataset) ? definition.datasets[dataset] : undefined;
  if (!found || seen.has(dataset)) return [];
  seen.add(dataset);
  if (found.purposes !== null) return [{ dataset, purposes: found.purposes }];
  return [...found.from, ...scoredFrom(definition, dataset)].flatMap((from) => limitsFrom(definition, from, seen));
}

/** What the steps read whose scores a dataset holds; of rows that another step makes, all that the pipeline reads. */
const scoredFrom = (definition: ProjectDefinition, dataset: string): string[] =>
  Object.values(definition.pipelines).flatMap((p) =>
    p.steps.flatMap((s) =>
      s.kind !== 'predict' || s.into !== dataset ? [] : datasetsOfPipeline(definition, s.on.kind === 'dataset' ? { ...p, steps: [s] } : p),
    ),
  );

/** Datasets that a feature service reads. */
export const datasetsOfService = (definition: ProjectDefinition, service: string): string[] =>
  (definition.services[service]?.views ?? []).flatMap((view) => definition.views[view]?.dataset ?? []);

/** Datasets that a pipeline's steps read, in the order of its steps. */
export const datasetsOfPipeline = (definition: ProjectDefinition, pipeline: PipelineDefinition): string[] => [
  ...new Set(
    pipeline.steps.flatMap((s) =>
      s.kind === 'features' || s.kind === 'evaluate'
        ? [s.spine.dataset, ...datasetsOfService(definition, s.service)]
        : s.kind === 'predict' && s.on.kind === 'dataset'
          ? [s.on.dataset, ...(s.on.service === null ? [] : datasetsOfService(definition, s.on.service))]
          : [],
    ),
  ),
];

/** Limits that reading these datasets for this purpose would break; null = no purpose is said. */
export function brokenLimits(definition: ProjectDefinition, datasets: readonly string[], purpose: string | null): Limit[] {
  const limits = datasets.flatMap((d) => limitsOf(definition, d)).filter((l) => purpose === null || !l.purposes.includes(purpose));
  return limits.filter((l, i) => limits.findIndex((o) => o.dataset === l.dataset) === i);
}
