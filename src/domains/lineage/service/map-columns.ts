// Tells the graph which column is made from which: one event for each project file and shape of its data, and one
// for each model version. The graph itself stays a projection of events.
import { createHash } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { contractsOf, currentVersion } from '../../datasets/public.ts';
import { currentRevision, revisionById, snapshotText, type ProjectDefinition, type Revision } from '../../projects/public.ts';
import { getVersion, type ModelVersion } from '../../registry/public.ts';
import { inputsOf, mapColumns, selectsOf, spinesOf, type MapInput } from '../column-map.ts';
import * as store from '../store.ts';
import { serialiseSelects } from './serialise.ts';

/** Changes when the mapping itself does. */
const FORMAT = 2;

/** Derives the column map of a project's current revision and emits it, unless the newest one says the same. */
export async function mapProject(ctx: Ctx, project: string): Promise<void> {
  const revision = await currentRevision(ctx, project);
  const { definition } = revision;
  const texts = new Map<string, string>();
  for (const { sql } of [...Object.values(definition.datasets), ...Object.values(definition.views)])
    if (sql !== null) texts.set(sql, (await snapshotText(ctx, revision.snapshot, sql)).text);
  const input: MapInput = { definition, ...(await shapesOf(ctx, revision)) };
  const { datasets, contracts } = input;
  const { views, services, pipelines, endpoints, monitors, subjects } = definition;
  const key = createHash('sha256')
    .update(
      JSON.stringify([
        FORMAT,
        definition.datasets,
        views,
        services,
        pipelines,
        endpoints,
        monitors,
        subjects,
        [...texts],
        datasets,
        contracts,
      ]),
    )
    .digest('hex');
  const newest = await store.newestColumnMap(ctx.db, ctx.workspace, project);
  if (newest?.payload.key === key) return;
  const selects = selectsOf(input, (file) => texts.get(file)!);
  const { edges, coarse } = mapColumns(
    input,
    selects,
    await serialiseSelects(
      ctx,
      selects.map((s) => s.sql),
    ),
  );
  await ctx.tx((tx) =>
    tx.emit({
      type: 'column-map.derived',
      subject: { kind: 'column-map', id: project },
      label: `columns of ${project}`,
      project,
      payload: { key, revision: revision.id, number: revision.number, edges: edges.length, coarse },
      edges,
    }),
  );
}

async function shapesOf(ctx: Ctx, revision: Revision): Promise<Pick<MapInput, 'datasets' | 'contracts'>> {
  const datasets: Record<string, readonly string[] | null> = {};
  for (const name of Object.keys(revision.definition.datasets)) {
    const version = await currentVersion(ctx, revision.project, name).catch((error: unknown) => {
      if (!isProblem(error, 'dataset-empty')) throw error;
      return null;
    });
    datasets[name] = version?.columns.map((c) => c.name) ?? null;
  }
  const contracts: Record<string, readonly string[]> = {};
  // A contract that cannot be read is told where data are held against it; here it checks nothing.
  const read = await contractsOf(ctx, revision).catch((error: unknown) => {
    if (!isProblem(error)) throw error;
    return new Map<string, never>();
  });
  for (const [name, { columns, rules }] of read)
    contracts[name] = [
      ...new Set([
        ...columns.map((c) => c.name),
        ...rules.flatMap((r) => [...(r.column === null ? [] : [r.column]), ...(r.columns ?? [])]),
      ]),
    ];
  return { datasets, contracts };
}

/** Leads a model version to the features and request columns that its signature names. */
export async function mapModel(ctx: Ctx, versionId: string): Promise<void> {
  const version = await getVersion(ctx, versionId);
  const inputs = version.signature?.inputs ?? [];
  const { projectRevision } = version.evidence;
  if (inputs.length === 0 || projectRevision === undefined) return;
  const { definition } = await revisionById(ctx, projectRevision);
  const edges = modelEdges(definition, version);
  if (edges.length === 0) return;
  await ctx.tx((tx) =>
    tx.emit({
      type: 'model-inputs.mapped',
      subject: { kind: 'model-version', id: versionId },
      project: definition.project,
      payload: { revision: projectRevision, inputs: inputs.length, mapped: edges.length },
      edges,
    }),
  );
}

function modelEdges(d: ProjectDefinition, version: ModelVersion): Edge[] {
  const self = { kind: 'model-version', id: version.id };
  const services = new Set(
    Object.values(d.pipelines)
      .filter((p) => p.steps.some((s) => s.kind === 'register' && s.model === version.model))
      .flatMap((p) => spinesOf(p).map((s) => s.service)),
  );
  const given = new Map([...services].flatMap((s) => inputsOf(d, s)).map((i) => [i.name, i.ref]));
  return (version.signature?.inputs ?? []).flatMap(({ name }) => {
    const to = given.get(name);
    return to ? [{ from: self, to, relation: 'reads' }] : [];
  });
}
