// One prediction and what it was made from.
import { sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { stageFiles } from '../../datasets/public.ts';
import { currentRevision, type MonitorDefinition } from '../../projects/public.ts';
import { findVersion } from '../../registry/public.ts';
import { findEndpointRevision } from '../../releases/public.ts';
import { columnsOf, findPrediction, inferenceFiles, servingPaths, type InferenceRecord } from '../../serving/public.ts';
import { columnKinds } from '../column-map.ts';
import { fail } from '../errors.ts';
import { walk, type Graph } from '../graph.ts';

export interface PredictionChain {
  readonly prediction: InferenceRecord;
  readonly graph: Graph;
}

// Why the model was trained belongs to it: trigger, alert, window; what that window compared with is another model's story.
const ALONG = { without: columnKinds, stopAt: ['window', 'endpoint', 'release'] };

/**
 * One prediction and what it was made from, down to source files. Ids of models served elsewhere are looked for in
 * `project`. Raises `prediction-not-found`, `level-too-low`.
 */
export async function whyPrediction(ctx: Ctx, id: string, project?: string): Promise<PredictionChain> {
  const prediction = await findPrediction(servingPaths(ctx.settings.dir).log, id);
  if (!prediction || prediction.workspace !== ctx.workspace)
    return (project === undefined ? undefined : await whyElsewhere(ctx, project, id)) ?? fail('prediction-not-found', { id });
  requireLevel(ctx, 'endpoint', prediction.endpoint, 'READ');
  const revision = await findEndpointRevision(ctx.db, ctx.workspace, prediction.endpoint, prediction.revision);
  if (!revision) return { prediction, graph: { root: { kind: 'prediction', id }, nodes: [], edges: [], cut: false, hidden: 0 } };
  const start = { kind: 'endpoint-revision', id: revision.id };
  return chain(prediction, await walk(ctx, start, 'from', 20, ALONG), [
    { to: start, relation: 'answered-by' },
    { to: { kind: 'variant', id: `${revision.id}/${prediction.variant}` }, relation: 'variant' },
  ]);
}

function chain(
  prediction: InferenceRecord,
  graph: Omit<Graph, 'root'>,
  links: readonly { readonly to: Graph['root']; readonly relation: string }[],
): PredictionChain {
  const root = { kind: 'prediction', id: prediction.id };
  return {
    prediction,
    graph: {
      ...graph,
      root,
      nodes: [{ ...root, label: `prediction ${prediction.id}`, payload: {}, firstMs: prediction.recordedMs }, ...graph.nodes],
      edges: [...links.map((link) => ({ from: root, ...link })), ...graph.edges],
    },
  };
}

async function whyElsewhere(ctx: Ctx, project: string, id: string): Promise<PredictionChain | undefined> {
  const monitors = await orNothing('project-not-found', async () => (await currentRevision(ctx, project)).definition.monitors);
  for (const monitor of Object.values(monitors ?? {}).filter((m) => m.endpoint === null)) {
    const prediction = await findRecord(ctx, project, monitor.name, id);
    if (!prediction) continue;
    const watched = { kind: 'monitor', id: `${project}/${monitor.name}` };
    const version = await versionOf(ctx, monitor, prediction.modelVersion);
    // A monitor that no window tells of yet has no place in the graph.
    const label = { ...watched, label: monitor.name, payload: {}, firstMs: 0 };
    if (version === undefined)
      return chain(prediction, { nodes: [label], edges: [], cut: false, hidden: 0 }, [{ to: watched, relation: 'watched-by' }]);
    const start = { kind: 'model-version', id: version };
    const graph = await walk(ctx, start, 'from', 20, ALONG);
    return chain(prediction, { ...graph, nodes: [label, ...graph.nodes] }, [
      { to: watched, relation: 'watched-by' },
      { to: start, relation: 'answered-by' },
    ]);
  }
  return undefined;
}

/** The registered version that a record names, where its monitor says of which model. */
async function versionOf(ctx: Ctx, { model }: MonitorDefinition, version: string): Promise<string | undefined> {
  if (model === null || version === '') return undefined;
  return orNothing('model-version-not-found', async () => (await findVersion(ctx, model, version)).id);
}

async function orNothing<T>(code: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isProblem(error) && error.code === code) return undefined;
    throw error;
  }
}

async function findRecord(ctx: Ctx, project: string, monitor: string, id: string): Promise<InferenceRecord | undefined> {
  const files = await inferenceFiles(ctx, { project, endpoint: monitor, fromUs: 0, toUs: Number.MAX_SAFE_INTEGER });
  if (files.length === 0) return undefined;
  requireLevel(ctx, 'endpoint', monitor, 'READ');
  // A struct without columns is in no file.
  const structs = Object.entries(columnsOf(files)).map(([name, columns]) => (columns.length > 0 ? name : `null as ${name}`));
  const { rows } = await ctx.compute.run(
    {
      what: `a prediction of monitor ${monitor}`,
      tables: { log: { files: await stageFiles(ctx, [...new Set(files.map((f) => f.digest))]) } },
      statements: [],
      rows: `select * exclude (${structs.filter((s) => !s.includes(' ')).join(', ')}), ${structs.join(', ')} from log where id = ${sqlText(id)} limit 1`,
    },
    ctx.signal,
  );
  const row = rows[0] as unknown as InferenceRecord | undefined;
  return row && { ...row, request: row.request ?? {}, inputs: row.inputs ?? {}, features: row.features ?? [] };
}
