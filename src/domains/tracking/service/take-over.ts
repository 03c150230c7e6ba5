// What another installation recorded, taken over as it was: ids, times, names of users, values longer than clients may
// send. Whoever calls has decided that this may be done, and of what; nothing here asks for a level.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { newHexId } from '../../../kernel/ids.ts';
import { ownResource } from '../../access/public.ts';
import { fail } from '../errors.ts';
import type { Experiment, LoggedModel, Metric, Pair } from '../model.ts';
import * as experiments from '../store/experiments.ts';
import * as models from '../store/logged-models.ts';
import { addMetrics, dataOf, inputsOf, linksOf } from '../store/runs.ts';
import * as taken from '../store/taken.ts';
import type { TakenRun } from '../store/taken.ts';
import { storeFolder } from './folder.ts';
import { appendToUri, checkedLocation, experimentLocation, placeOf } from './places.ts';

export interface TakenExperiment extends Omit<Experiment, 'artifactLocation'> {
  /** null = where the artifacts of new experiments go. */
  readonly artifactLocation: string | null;
}

export interface TakenModelMetric {
  readonly key: string;
  readonly value: number;
  readonly timestampMs: number;
  readonly step: number;
  readonly runId: string;
  readonly datasetName: string | null;
  readonly datasetDigest: string | null;
}
export interface TakenLoggedModel extends Omit<LoggedModel, 'artifactUri'> {
  readonly artifactUri: string | null;
  readonly metrics: readonly TakenModelMetric[];
}

// Ids are parts of paths and of addresses; those of MLflow are numbers.
const EXPERIMENT_ID = /^[a-zA-Z0-9][\w-]{0,255}$/;

/** The experiment under its id if that is one and free, else under the next one. Inside a transaction. Raises `experiment-exists`. */
export async function takeExperiment(tx: Ctx, e: TakenExperiment, edges: readonly Edge[]): Promise<Experiment> {
  if (await experiments.findExperiment(tx.db, tx.workspace, e.name)) fail('experiment-exists', { name: e.name });
  const isFree = EXPERIMENT_ID.test(e.id) && (await experiments.getExperiment(tx.db, tx.workspace, e.id)) === undefined;
  const id = isFree ? e.id : String(await experiments.nextExperimentNumber(tx.db, tx.workspace));
  const artifactLocation = e.artifactLocation === null ? experimentLocation(tx, id) : checkedLocation(e.artifactLocation);
  const made: Experiment = { ...e, id, artifactLocation };
  await experiments.insertExperiment(tx.db, tx.workspace, made);
  await ownResource(tx, 'experiment', id);
  const from = { kind: 'experiment', id };
  await tx.emit({ type: 'experiment.created', subject: from, label: e.name, edges: edges.map((edge) => ({ ...edge, from })) });
  return made;
}

/** The tags and state of an experiment that was taken over before, as its source has them now. Inside a transaction. */
export async function retakeExperiment(
  tx: Ctx,
  id: string,
  e: { lifecycle: Experiment['lifecycle']; tags: readonly Pair[] },
): Promise<void> {
  const before = (await experiments.getExperiment(tx.db, tx.workspace, id)) ?? fail('experiment-not-found', { id });
  await experiments.setExperimentTags(tx.db, tx.workspace, id, e.tags);
  if (before.lifecycle !== e.lifecycle)
    await experiments.updateExperiment(tx.db, tx.workspace, id, { lifecycle: e.lifecycle }, before.updatedMs);
}

/** Ids under which these runs or models can be taken over: their own, or new ones where others have them. */
export async function freeIds(ctx: Ctx, kind: 'run' | 'logged-model', wanted: readonly string[]): Promise<Map<string, string>> {
  const inUse = await taken.takenIds(ctx.db, ctx.workspace, kind === 'run' ? 'tracking_runs' : 'logged_models', wanted);
  const isOne = kind === 'run' ? /^[a-zA-Z0-9][\w-]{0,255}$/ : /^m-[0-9a-f]{32}$/;
  const fresh = (): string => (kind === 'run' ? newHexId(ctx.ids) : `m-${newHexId(ctx.ids)}`);
  return new Map(wanted.map((id) => [id, inUse.has(id) || !isOne.test(id) ? fresh() : id]));
}

export const existing = (ctx: Ctx, kind: 'run' | 'logged-model' | 'experiment', ids: readonly string[]): Promise<Set<string>> =>
  taken.takenIds(
    ctx.db,
    ctx.workspace,
    ({ run: 'tracking_runs', 'logged-model': 'logged_models', experiment: 'experiments' } as const)[kind],
    ids,
  );

const locationOf = async (tx: Ctx, id: string): Promise<string> =>
  (await experiments.getExperiment(tx.db, tx.workspace, id))?.artifactLocation ?? fail('experiment-not-found', { id });

/** Writes or overwrites runs, all of one experiment. Inside a transaction. */
export async function takeRuns(tx: Ctx, experimentId: string, runs: readonly TakenRun[]): Promise<void> {
  const location = await locationOf(tx, experimentId);
  await taken.putTakenRuns(
    tx.db,
    tx.workspace,
    runs.map((r) => ({
      ...r,
      experimentId,
      artifactUri: r.artifactUri === null ? appendToUri(location, r.id, 'artifacts') : checkedLocation(r.artifactUri),
    })),
  );
}

/** Points of a run's metrics; those that are there already are nothing new. Inside a transaction. */
export const takePoints = (tx: Ctx, runId: string, metrics: readonly Metric[]): Promise<void> =>
  addMetrics(tx.db, tx.workspace, runId, metrics);

/** Writes or overwrites a logged model. Inside a transaction. */
export async function takeLoggedModel(tx: Ctx, m: TakenLoggedModel): Promise<void> {
  const location = await locationOf(tx, m.experimentId);
  if ((await models.getLoggedModel(tx.db, tx.workspace, m.id)) === undefined)
    await models.insertLoggedModel(tx.db, tx.workspace, {
      ...m,
      artifactUri: m.artifactUri === null ? appendToUri(location, 'models', m.id, 'artifacts') : checkedLocation(m.artifactUri),
    });
  else {
    await models.updateLoggedModel(
      tx.db,
      tx.workspace,
      m.id,
      { status: m.status, status_message: m.statusMessage, lifecycle: m.lifecycle },
      m.updatedMs,
    );
    await models.putEntries(tx.db, tx.workspace, m.id, 'param', m.params);
    await models.putEntries(tx.db, tx.workspace, m.id, 'tag', m.tags);
  }
  for (const [runId, metrics] of Map.groupBy(m.metrics, (x) => x.runId))
    await models.addModelMetrics(
      tx.db,
      tx.workspace,
      runId,
      metrics.map(({ datasetName, datasetDigest, ...x }) => ({
        ...x,
        modelId: m.id,
        ...(datasetName === null ? {} : { datasetName }),
        ...(datasetDigest === null ? {} : { datasetDigest }),
      })),
    );
}

/** Seals a model that is ready and whose files have come; its times stay as they were. */
export async function sealTaken(ctx: Ctx, id: string): Promise<void> {
  const model = await models.getLoggedModel(ctx.db, ctx.workspace, id);
  if (!model || model.status !== 'LOGGED_MODEL_READY' || model.lifecycle !== 'active') return;
  if ((await models.listModelFiles(ctx.db, ctx.workspace, id)).length > 0) return;
  const root = await placeOf(ctx, model.artifactUri);
  if (root === undefined) return;
  await storeFolder(ctx, root, (tx, files) => models.insertModelFiles(tx.db, tx.workspace, id, files));
}

/** Runs as they are recorded here, for comparison with what they were made from. */
export async function takenRuns(ctx: Ctx, ids: readonly string[]): Promise<TakenRun[]> {
  const rows = await taken.findTakenRuns(ctx.db, ctx.workspace, ids);
  const found = rows.map((r) => r.id);
  const data = await dataOf(ctx.db, ctx.workspace, found);
  const inputs = await inputsOf(ctx.db, ctx.workspace, found);
  const links = await linksOf(ctx.db, ctx.workspace, found);
  return rows.map((r) => ({
    id: r.id,
    experimentId: r.experiment_id,
    name: r.name,
    userId: r.user_id,
    status: r.status,
    startMs: r.start_ms,
    endMs: r.end_ms,
    lifecycle: r.lifecycle,
    deletedMs: r.deleted_ms,
    artifactUri: r.artifact_uri,
    params: data.get(r.id)!.params,
    tags: data.get(r.id)!.tags,
    inputs: (inputs.get(r.id) ?? []).map((i) => ({
      name: i.name,
      digest: i.digest,
      sourceType: i.source_type,
      source: i.source,
      schema: i.schema,
      profile: i.profile,
      tags: JSON.parse(i.tags) as Pair[],
    })),
    models: (links.get(r.id) ?? []).map((l) => ({ id: l.model_id, role: l.role, step: l.step })),
  }));
}

/** Points of a run's metrics, metric by metric and page by page, in the order of time, step and value. */
export async function* takenPoints(
  ctx: Ctx,
  runId: string,
): AsyncGenerator<{ key: string; points: (readonly [number, number, number])[] }> {
  for (const key of await taken.metricKeys(ctx.db, ctx.workspace, runId))
    for await (const points of taken.pointsInOrder(ctx.db, ctx.workspace, runId, key)) yield { key, points };
}

export async function takenLoggedModel(ctx: Ctx, id: string): Promise<TakenLoggedModel | undefined> {
  const model = await models.getLoggedModel(ctx.db, ctx.workspace, id);
  if (!model) return undefined;
  const metrics = (await models.modelMetricsOf(ctx.db, ctx.workspace, [id])).get(id) ?? [];
  return {
    ...model,
    metrics: metrics.map((m) => ({
      key: m.key,
      value: m.value,
      timestampMs: m.timestampMs,
      step: m.step,
      runId: m.runId,
      datasetName: m.datasetName ?? null,
      datasetDigest: m.datasetDigest ?? null,
    })),
  };
}

/** Which experiments these belong to, by their ids. */
export const experimentsOf = (ctx: Ctx, kind: 'run' | 'logged-model', ids: readonly string[]): Promise<Map<string, string>> =>
  taken.experimentIds(ctx.db, ctx.workspace, kind === 'run' ? 'tracking_runs' : 'logged_models', ids);

/** Where the artifacts of a run or logged model that was taken over lie; undefined where this server does not look. */
export async function takenPlace(ctx: Ctx, kind: 'run' | 'logged-model', id: string) {
  const uri =
    kind === 'run'
      ? (await taken.findTakenRuns(ctx.db, ctx.workspace, [id]))[0]?.artifact_uri
      : (await models.getLoggedModel(ctx.db, ctx.workspace, id))?.artifactUri;
  return uri === undefined ? undefined : { uri, place: await placeOf(ctx, uri) };
}
