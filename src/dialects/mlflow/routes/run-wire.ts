// Runs, as MLflow writes them.
import type { Ctx } from '../../../kernel/ctx.ts';
import {
  getRunData,
  inputsOf,
  linksOf,
  type CreatedRun,
  type FoundRun,
  type Metric,
  type Pair,
  type RunInput,
  type TrackingRun,
} from '../../../domains/tracking/public.ts';
import { omitEmpty, wireDouble } from '../wire.ts';

// By hand, because a search has many thousands of them.
export function metricToWire(m: Metric): Record<string, unknown> {
  const wire: Record<string, unknown> = { key: m.key, value: wireDouble(m.value), timestamp: m.timestampMs, step: m.step };
  if (m.modelId !== undefined) wire.model_id = m.modelId;
  if (m.datasetName !== undefined) wire.dataset_name = m.datasetName;
  if (m.datasetDigest !== undefined) wire.dataset_digest = m.datasetDigest;
  return wire;
}

export const infoToWire = (r: TrackingRun) =>
  omitEmpty({
    run_id: r.id,
    run_uuid: r.id,
    run_name: r.name,
    experiment_id: r.experimentId,
    user_id: r.userId,
    status: r.status,
    start_time: r.startMs ?? 0,
    // No run ends with the epoch; to MLflow 0 is "not yet".
    end_time: r.endMs || undefined,
    artifact_uri: r.artifactUri,
    lifecycle_stage: r.lifecycle,
  });

const dataToWire = (d: { metrics: readonly Metric[]; params: readonly Pair[]; tags: readonly Pair[] }) =>
  omitEmpty({ metrics: d.metrics.map(metricToWire), params: d.params, tags: d.tags });

const inputToWire = (i: RunInput) =>
  omitEmpty({
    tags: JSON.parse(i.tags) as unknown,
    dataset: omitEmpty({
      name: i.name,
      digest: i.digest,
      source_type: i.source_type,
      source: i.source,
      schema: i.schema,
      profile: i.profile,
    }),
  });

const outputsOf = (links: FoundRun['links']) =>
  links.filter((l) => l.role === 'output').map((l) => ({ model_id: l.model_id, step: l.step }));

/** A run that was just made: it has tags and nothing else yet. */
export const newRunToWire = (run: CreatedRun) => ({
  info: infoToWire(run),
  data: dataToWire({ metrics: [], params: [], tags: run.tags }),
  inputs: {},
});

export async function runToWire(ctx: Ctx, run: TrackingRun) {
  const data = await getRunData(ctx, run.id);
  const inputs = (await inputsOf(ctx.db, ctx.workspace, [run.id])).get(run.id) ?? [];
  const links = (await linksOf(ctx.db, ctx.workspace, [run.id])).get(run.id) ?? [];
  return {
    info: infoToWire(run),
    data: dataToWire(data),
    inputs: omitEmpty({
      dataset_inputs: inputs.map(inputToWire),
      model_inputs: links.filter((l) => l.role === 'input').map((l) => ({ model_id: l.model_id })),
    }),
    outputs: omitEmpty({ model_outputs: outputsOf(links) }),
  };
}

/** A search leaves the models that a run read out; `runs/get` has them. */
export const foundToWire = ({ run, data, inputs, links }: FoundRun) => ({
  info: infoToWire(run),
  data: dataToWire(data),
  inputs: omitEmpty({ dataset_inputs: inputs.map(inputToWire) }),
  outputs: omitEmpty({ model_outputs: outputsOf(links) }),
});
