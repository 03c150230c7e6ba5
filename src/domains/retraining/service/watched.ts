// Who belongs to a policy: the model it retrains, the monitors that watch it, the data its pipeline reads.
import {
  datasetsOfPipeline,
  type MonitorDefinition,
  type PipelineDefinition,
  type ProjectDefinition,
  type RetrainingDefinition,
} from '../../projects/public.ts';

/** The model that a policy makes versions of: that of its endpoint, else that of the register step; null if neither is there. */
export function modelOf(definition: ProjectDefinition, policy: RetrainingDefinition): string | null {
  const endpoint = Object.hasOwn(definition.endpoints, policy.endpoint) ? definition.endpoints[policy.endpoint] : undefined;
  if (endpoint) return endpoint.model;
  const register = definition.pipelines[policy.pipeline]?.steps.find((s) => s.kind === 'register');
  return register?.model ?? null;
}

/**
 * Monitors of the policy's endpoint. One of a model that is served elsewhere has no endpoint: it belongs to
 * the policy that names it, or that retrains its model.
 */
export function monitorsOf(definition: ProjectDefinition, policy: RetrainingDefinition): MonitorDefinition[] {
  const model = modelOf(definition, policy);
  return Object.values(definition.monitors).filter((m) =>
    m.endpoint === null ? m.name === policy.endpoint || (m.model !== null && m.model === model) : m.endpoint === policy.endpoint,
  );
}

/** Datasets that a pipeline reads, with those that they are made from. */
export function datasetsOf(definition: ProjectDefinition, pipeline: PipelineDefinition): string[] {
  const found = datasetsOfPipeline(definition, pipeline);
  // The list grows while it is gone through.
  for (const name of found) for (const from of definition.datasets[name]?.from ?? []) if (!found.includes(from)) found.push(from);
  return found;
}
