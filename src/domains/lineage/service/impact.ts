// What breaks if a column goes: what the current project file reads, and every model version that was made to read it.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge, Ref } from '../../../kernel/events/events.ts';
import { atLeast, levelOf } from '../../../kernel/levels.ts';
import { currentRevision, type ProjectDefinition } from '../../projects/public.ts';
import { findCurrentEndpointRevision } from '../../releases/public.ts';
import { columnRef } from '../column-map.ts';
import { fail } from '../errors.ts';
import * as store from '../store.ts';
import { hiddenOf, requireReadable } from './hidden.ts';

/** `value`: it is computed from the column. `rows`: the column decides which rows count, or when. `maybe`: SQL that could not be resolved names its table. */
export type How = 'value' | 'rows' | 'maybe';

export interface Reads {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly how: How }[];
}

export interface Impact {
  readonly project: string;
  readonly dataset: string;
  readonly column: string;
  /** The project revision that was looked at; null = none of its columns are mapped yet. */
  readonly revision: string | null;
  readonly datasets: readonly Reads[];
  readonly featureViews: readonly Reads[];
  readonly pipelines: readonly Reads[];
  readonly endpoints: readonly Reads[];
  readonly monitors: readonly Reads[];
  readonly contracts: readonly string[];
  readonly subjects: readonly string[];
  readonly modelVersions: readonly {
    readonly id: string;
    readonly label: string;
    readonly inputs: readonly string[];
    /** Endpoints that serve it now. */
    readonly serving: readonly string[];
  }[];
  /** SQL whose columns could only be told by their tables. */
  readonly coarse: readonly string[];
  /** Columns, endpoints and model versions that it reaches and the caller may not read; what lies behind them alone is left out. */
  readonly hidden: number;
}

const strength: Readonly<Record<How, number>> = { value: 2, rows: 1, maybe: 0 };
const howOf = (relation: string): How => (relation === 'depends-on' ? 'rows' : relation === 'derived-coarsely' ? 'maybe' : 'value');
/** A chain is as strong as its weakest link. */
const weaker = (a: How, b: How): How => (strength[a] < strength[b] ? a : b);
const keyOf = (ref: Ref): string => `${ref.kind} ${ref.id}`;
/** Nodes that pass on what happens to what they are made from. */
const passing = ['column', 'feature', 'request-column', 'training-column'];

/** Raises `project-not-found`, `column-unknown`, `level-too-low`. */
export async function columnImpact(ctx: Ctx, project: string, dataset: string, column: string): Promise<Impact> {
  const { definition } = await currentRevision(ctx, project);
  const map = await store.newestColumnMap(ctx.db, ctx.workspace, project);
  const root = columnRef(project, dataset, column);
  const told = map?.edges ?? [];
  await requireReadable(ctx, root);
  if (!told.some((e) => keyOf(e.from) === keyOf(root) || keyOf(e.to) === keyOf(root))) fail('column-unknown', { project, dataset, column });
  const secret = await secretAmong(ctx, root, told);
  const edges = told.filter((e) => !secret.has(keyOf(e.from)) && !secret.has(keyOf(e.to)));
  const reached = reachedFrom(root, edges);
  const versions = await modelVersions(
    ctx,
    definition,
    [...reached.values()].map((r) => r.ref).filter((r) => r.kind !== 'column' && r.kind !== 'training-column'),
  );
  const of = (kind: string, split: (id: string) => [name: string, column: string]): Reads[] => {
    const found = new Map<string, { name: string; how: How }[]>();
    for (const { ref, how } of reached.values()) {
      if (ref.kind !== kind || keyOf(ref) === keyOf(root)) continue;
      const [name, read] = split(ref.id.slice(project.length + 1));
      found.set(name, [...(found.get(name) ?? []), { name: read, how }]);
    }
    return sorted(found);
  };
  const lastDot = (id: string): [string, string] => [id.slice(0, id.lastIndexOf('.')), id.slice(id.lastIndexOf('.') + 1)];
  const readers = (kind: string, name: (id: string) => string): Reads[] => {
    const found = new Map<string, { name: string; how: How }[]>();
    for (const e of edges) {
      const via = reached.get(keyOf(e.to));
      if (e.from.kind !== kind || !via) continue;
      const read = via.ref.id.slice(project.length + 1);
      found.set(name(e.from.id), [...(found.get(name(e.from.id)) ?? []), { name: read, how: weaker(via.how, howOf(e.relation)) }]);
    }
    return sorted(found);
  };
  const bare = (id: string): string => id.slice(project.length + 1);
  return {
    project,
    dataset,
    column,
    revision: typeof map?.payload.revision === 'string' ? map.payload.revision : null,
    datasets: of('column', (id) => splitDataset(id, definition)),
    featureViews: of('feature', (id) => splitNamed(id, Object.keys(definition.views)) ?? lastDot(id)),
    pipelines: readers('pipeline', bare),
    endpoints: readers('endpoint', (id) => id),
    monitors: readers('monitor', bare),
    contracts: readers('contract', bare).map((r) => r.name),
    subjects: readers('subject', bare).map((r) => r.name),
    modelVersions: versions.told,
    coarse: Array.isArray(map?.payload.coarse) ? (map.payload.coarse as string[]) : [],
    hidden: secret.size + versions.hidden,
  };
}

/** What the column reaches, or what reads that, and the caller may not read. */
async function secretAmong(ctx: Ctx, root: Ref, edges: readonly Edge[]): Promise<ReadonlySet<string>> {
  const reached = reachedFrom(root, edges);
  const met = edges.flatMap((e) => (reached.has(keyOf(e.to)) ? [e.from] : []));
  const hidden = await hiddenOf(ctx, [...new Map(met.map((ref) => [keyOf(ref), ref])).values()]);
  return new Set([...hidden].map(keyOf));
}

/** What the column reaches through other columns, each by its strongest way. */
function reachedFrom(root: Ref, edges: readonly Edge[]): Map<string, { ref: Ref; how: How }> {
  const arriving = new Map<string, Edge[]>();
  for (const e of edges) arriving.set(keyOf(e.to), [...(arriving.get(keyOf(e.to)) ?? []), e]);
  const reached = new Map([[keyOf(root), { ref: root, how: 'value' as How }]]);
  const todo = [root];
  for (let at = todo.pop(); at !== undefined; at = todo.pop()) {
    const { how } = reached.get(keyOf(at))!;
    for (const { from, relation } of arriving.get(keyOf(at)) ?? []) {
      if (!passing.includes(from.kind)) continue;
      const next = weaker(how, howOf(relation));
      const known = reached.get(keyOf(from));
      if (known && strength[known.how] >= strength[next]) continue;
      reached.set(keyOf(from), { ref: from, how: next });
      todo.push(from);
    }
  }
  return reached;
}

const splitNamed = (id: string, names: readonly string[]): [string, string] | undefined => {
  const name = names.filter((n) => id.startsWith(`${n}.`)).sort((a, b) => b.length - a.length)[0];
  return name === undefined ? undefined : [name, id.slice(name.length + 1)];
};
const splitDataset = (id: string, d: ProjectDefinition): [string, string] =>
  splitNamed(id, Object.keys(d.datasets)) ?? [id.slice(0, id.indexOf('.')), id.slice(id.indexOf('.') + 1)];

const sorted = (found: ReadonlyMap<string, readonly { name: string; how: How }[]>): Reads[] =>
  [...found.keys()].sort().map((name) => ({
    name,
    columns: [...new Map(found.get(name)!.map((c) => [`${c.name} ${c.how}`, c])).values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
  }));

const MAX_EDGES = 10_000;

async function modelVersions(
  ctx: Ctx,
  d: ProjectDefinition,
  read: readonly Ref[],
): Promise<{ readonly told: Impact['modelVersions']; readonly hidden: number }> {
  const edges = (await store.listEdges(ctx.db, ctx.workspace, read, 'to', MAX_EDGES)).filter((e) => e.from.kind === 'model-version');
  const inputs = new Map<string, string[]>();
  for (const e of edges) inputs.set(e.from.id, [...(inputs.get(e.from.id) ?? []), e.to.id.slice(d.project.length + 1)]);
  const serving = new Map<string, string[]>();
  for (const endpoint of Object.keys(d.endpoints).sort()) {
    if (!atLeast(levelOf(ctx, 'endpoint', endpoint), 'READ')) continue;
    const current = await findCurrentEndpointRevision(ctx.db, ctx.workspace, d.project, endpoint);
    for (const { versionId } of current?.variants ?? []) serving.set(versionId, [...(serving.get(versionId) ?? []), endpoint]);
  }
  const all = [...inputs.keys()].map((id) => ({ kind: 'model-version', id }));
  const hidden = await hiddenOf(ctx, all);
  const refs = all.filter((ref) => !hidden.has(ref));
  const nodes = refs.length === 0 ? [] : await store.findNodes(ctx.db, ctx.workspace, refs);
  const told = nodes
    .sort((a, b) => a.firstMs - b.firstMs || (a.id < b.id ? -1 : 1))
    .map(({ id, label }) => ({ id, label, inputs: [...new Set(inputs.get(id))].sort(), serving: serving.get(id) ?? [] }));
  return { told, hidden: hidden.size };
}
