// Runs, as MLflow writes them.
import type { Ctx } from '../../../kernel/ctx.ts';
import {
  getRunData,
  inputsOf,
  linksOf,
  type FoundRun,
  type Metric,
  type Pair,
  type RunInput,
  type TrackingRun,
} from '../../../domains/tracking/public.ts';
import { omitEmpty, wireDouble } from '../wire.ts';

export const metricToWire = (m: Metric) =>
  omitEmpty({
    key: m.key,
    value: wireDouble(m.value),
    timestamp: m.timestampMs,
    step: m.step,
    model_id: m.modelId,
    dataset_name: m.datasetName,
    dataset_digest: m.datasetDigest,
  });

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

/** A run that was just made: nothing is linked to it yet. */
export const newRunToWire = async (ctx: Ctx, run: TrackingRun) => ({
  info: infoToWire(run),
  data: dataToWire(await getRunData(ctx, run.id)),
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
