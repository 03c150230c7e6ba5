// What of a project reads which column, as edges of the graph: made from a revision, the columns of its datasets and
// the syntax trees of its SQL. Pure.
import type { Edge, Ref } from '../../kernel/events/events.ts';
import type {
  FeatureViewDefinition,
  MonitorDefinition,
  PipelineDefinition,
  ProjectDefinition,
  SpineDefinition,
} from '../projects/public.ts';
import { sqlName } from '../../kernel/compute/compute.ts';
import { readColumns, type Reading, type Tables } from './column-lineage.ts';
import { asCondition, union, type Flow } from './flow.ts';

/** Nodes that stand for columns: left out of walks unless they are asked for. */
export const columnKinds = ['column', 'feature', 'request-column', 'training-column'] as const;

export interface MapInput {
  readonly definition: ProjectDefinition;
  /** Columns of the current versions; null = the dataset has none yet. */
  readonly datasets: Tables;
  /** Columns that each contract speaks of, by dataset. */
  readonly contracts: Readonly<Record<string, readonly string[]>>;
}

/** One SELECT of a project, and whose columns it makes. */
export interface Select {
  readonly name: string;
  readonly sql: string;
  readonly from: readonly string[];
  /** The columns that it gave when it was last run, in its order; null = it was not, or nobody kept them. */
  readonly given: readonly string[] | null;
  /** Nodes of the columns that it gives. */
  readonly makes: (reading: Reading) => readonly { readonly node: Ref; readonly column: string; readonly also: readonly string[] }[];
}

export interface ColumnMap {
  readonly edges: readonly Edge[];
  /** SELECTs whose columns could only be told by their tables. */
  readonly coarse: readonly string[];
}

export const columnRef = (project: string, dataset: string, column: string): Ref => ({
  kind: 'column',
  id: `${project}/${dataset}.${column}`,
});
export const featureRef = (project: string, view: string, column: string): Ref => ({ kind: 'feature', id: `${project}/${view}.${column}` });
export const requestRef = (project: string, service: string, column: string): Ref => ({
  kind: 'request-column',
  id: `${project}/${service}.${column}`,
});
const trainingRef = (project: string, pipeline: string, step: string, column: string): Ref => ({
  kind: 'training-column',
  id: `${project}/${pipeline}.${step}.${column}`,
});

/** The SELECTs of a project. `textOf`: the SQL file of a dataset or a view. */
export function selectsOf({ definition: d, datasets }: MapInput, textOf: (file: string) => string): Select[] {
  return [
    ...Object.values(d.datasets)
      .filter((x) => x.sql !== null)
      .map((x): Select => ({
        name: x.sql!,
        sql: textOf(x.sql!),
        from: x.from,
        given: datasets[x.name] ?? null,
        makes: ({ columns, coarse }) => {
          const names = columns.flatMap((c) => (c.name === null ? [] : [c.name]));
          // What the version has besides came of the SQL in a way that was not understood.
          const all = coarse ? (datasets[x.name] ?? []) : new Set([...names, ...(datasets[x.name] ?? [])]);
          return [...all].map((column) => ({ node: columnRef(d.project, x.name, column), column, also: [] }));
        },
      })),
    ...Object.values(d.views).map((view): Select => ({
      name: view.sql ?? `feature view ${view.name}`,
      sql: view.sql === null ? viewSql(view, d) : textOf(view.sql),
      from: [view.dataset],
      given: null,
      makes: () =>
        view.columns.map((column) => ({
          node: featureRef(d.project, view.name, column),
          column,
          also: [...view.entity, 'occurred_at', 'known_at'],
        })),
    })),
    ...Object.values(d.pipelines).flatMap((p) =>
      spinesOf(p).map(({ step, service, spine, slices }): Select => {
        const plain = [...new Set([...(d.services[service]?.request ?? []), ...slices])];
        return {
          name: `rows of step ${p.name}.${step}`,
          sql: spineSql(spine, plain, d.datasets[spine.dataset]?.knownAt ?? null),
          from: [spine.dataset],
          given: null,
          makes: () =>
            [...plain, 'label'].map((column) => ({
              node: trainingRef(d.project, p.name, step, column),
              column,
              also: ['at_us', 'known_at'],
            })),
        };
      }),
    ),
    ...Object.values(d.monitors).flatMap((m): Select[] => {
      const { from } = m.labels;
      if (from === 'feedback') return [];
      const at = from.at === null ? '' : `, (${from.at}\n) as at_us`;
      const where = from.where === null ? '' : ` where (${from.where}\n)`;
      return [
        {
          name: `labels of monitor ${m.name}`,
          sql: `select ${from.key.map((k) => `${sqlName(k)}, `).join('')}(${from.label}\n) as label${at} from ${sqlName(from.dataset)}${where}`,
          from: [from.dataset],
          given: null,
          makes: ({ columns }) =>
            columns.map(({ name }) => ({ node: { kind: 'monitor', id: `${d.project}/${m.name}` }, column: name ?? '', also: [] })),
        },
      ];
    }),
  ];
}

/** A view of plain columns as the SELECT that it is. */
function viewSql(view: FeatureViewDefinition, d: ProjectDefinition): string {
  const { occurredAt, knownAt } = d.datasets[view.dataset] ?? { occurredAt: null, knownAt: null };
  return `select ${[...view.entity, ...view.columns].map(sqlName).join(', ')}, (${occurredAt ?? 'null'}\n) as occurred_at, (${knownAt ?? 'null'}\n) as known_at from ${sqlName(view.dataset)}`;
}

const spineSql = (spine: SpineDefinition, plain: readonly string[], knownAt: string | null): string =>
  `select ${plain.map((c) => `${sqlName(c)}, `).join('')}(${spine.at}\n) as at_us, (${spine.label}\n) as label, (${knownAt ?? 'null'}\n) as known_at from ${sqlName(spine.dataset)}${spine.where === null ? '' : ` where (${spine.where}\n)`}`;

interface StepSpine {
  readonly step: string;
  readonly service: string;
  readonly spine: SpineDefinition;
  readonly slices: readonly string[];
}
export const spinesOf = (p: PipelineDefinition): StepSpine[] =>
  p.steps.flatMap((s) =>
    s.kind === 'features'
      ? [{ step: s.name, service: s.service, spine: s.spine, slices: [] }]
      : s.kind === 'evaluate'
        ? [{ step: s.name, service: s.service, spine: s.spine, slices: s.slices }]
        : [],
  );

/** `trees`: the syntax tree of each of `selects`. */
export function mapColumns(input: MapInput, selects: readonly Select[], trees: readonly unknown[]): ColumnMap {
  const { definition: d, datasets, contracts } = input;
  const coarse: string[] = [];
  const edges: Edge[] = selects.flatMap((select, i) => {
    const tables = Object.fromEntries(select.from.map((name) => [name, datasets[name] ?? null]));
    const reading = withNames(readColumns(trees[i], tables), select.given);
    const made = select.makes(reading).map(({ node, column, also }) => {
      const flow = reading.coarse ? undefined : flowOf(reading, column, also);
      return { edges: flow ? edgesOf(d.project, node, flow, tables) : coarseEdges(d.project, node, tables), told: flow !== undefined };
    });
    if (reading.coarse || made.some((m) => !m.told)) coarse.push(select.name);
    return made.flatMap((m) => m.edges);
  });
  const project = d.project;
  const edge = (from: Ref, to: Ref, relation: string): Edge => ({ from, to, relation });
  for (const [dataset, columns] of Object.entries(datasets))
    for (const column of columns ?? [])
      edges.push(edge(columnRef(project, dataset, column), { kind: 'dataset', id: `${project}/${dataset}` }, 'column-of'));
  for (const [dataset, columns] of Object.entries(contracts))
    for (const column of columns)
      edges.push(
        edge({ kind: 'contract', id: `${project}/${d.datasets[dataset]!.contract!}` }, columnRef(project, dataset, column), 'checks'),
      );
  for (const view of Object.values(d.views))
    for (const column of view.columns)
      edges.push(edge(featureRef(project, view.name, column), { kind: 'feature-view', id: `${project}/${view.name}` }, 'feature-of'));
  for (const p of Object.values(d.pipelines))
    for (const { step, service, spine, slices } of spinesOf(p)) {
      const self = { kind: 'pipeline', id: `${project}/${p.name}` };
      for (const column of [...new Set([...(d.services[service]?.request ?? []), ...slices]), 'label']) {
        edges.push(edge(self, trainingRef(project, p.name, step, column), 'reads'));
        // A request brings by hand what the training took from this column.
        if (column !== 'label' && d.services[service]?.request.includes(column))
          edges.push(edge(requestRef(project, service, column), columnRef(project, spine.dataset, column), 'trained-as'));
      }
      for (const feature of featuresOf(d, service)) edges.push(edge(self, feature, 'reads'));
    }
  edges.push(...scoredColumns(d, datasets));
  for (const e of Object.values(d.endpoints))
    if (e.service !== null)
      for (const input of inputsOf(d, e.service)) edges.push(edge({ kind: 'endpoint', id: e.name }, input.ref, 'reads'));
  for (const m of Object.values(d.monitors)) edges.push(...watched(d, m, datasets));
  for (const [kind, names] of Object.entries(d.subjects))
    for (const [dataset, columns] of Object.entries(datasets))
      for (const column of columns ?? [])
        if (names.includes(column))
          edges.push(edge({ kind: 'subject', id: `${project}/${kind}` }, columnRef(project, dataset, column), 'found-by'));
  return { edges: distinct(edges), coarse: [...new Set(coarse)].sort() };
}

const isCalled = (name: string | null, other: string): boolean => name?.toLowerCase() === other.toLowerCase();

/** DuckDB's own names of the columns, where they are those of the same SELECT: only it knows what "max(x)" or a second "x" is called. */
function withNames(reading: Reading, given: readonly string[] | null): Reading {
  const { columns, coarse } = reading;
  if (given?.length !== columns.length || !columns.every((c, i) => c.name === null || isCalled(c.name, given[i]!))) return reading;
  return { columns: columns.map((c, i) => ({ ...c, name: given[i]! })), coarse };
}

/** What a column comes from; under `also` stand columns that say which rows there are, or when. undefined = one of them is not in the SELECT. */
function flowOf(reading: Reading, column: string, also: readonly string[]): Flow | undefined {
  const [own, ...others] = [column, ...also].map((name) => reading.columns.find((c) => isCalled(c.name, name))?.flow);
  if (!own || !others.every((o) => o !== undefined)) return undefined;
  return union(own, asCondition(...others));
}

function edgesOf(project: string, node: Ref, { direct, indirect }: Flow, tables: Tables): Edge[] {
  const to = (source: string): Ref => {
    const dataset = Object.keys(tables)
      .filter((t) => source.startsWith(`${t}.`))
      .sort((a, b) => b.length - a.length)[0]!;
    return columnRef(project, dataset, source.slice(dataset.length + 1));
  };
  return [
    ...[...direct].map((source) => ({ from: node, to: to(source), relation: 'derived-from' })),
    ...[...indirect].filter((s) => !direct.has(s)).map((source) => ({ from: node, to: to(source), relation: 'depends-on' })),
  ];
}

const coarseEdges = (project: string, node: Ref, tables: Tables): Edge[] =>
  Object.entries(tables).flatMap(([table, columns]) =>
    (columns ?? []).map((c) => ({ from: node, to: columnRef(project, table, c), relation: 'derived-coarsely' })),
  );

const featuresOf = (d: ProjectDefinition, service: string): Ref[] =>
  (d.services[service]?.views ?? []).flatMap((v) => (d.views[v]?.columns ?? []).map((c) => featureRef(d.project, v, c)));

/** What a service gives to a model: features by their name, and columns of the request. */
export const inputsOf = (d: ProjectDefinition, service: string): { readonly name: string; readonly ref: Ref }[] => [
  ...(d.services[service]?.views ?? []).flatMap((v) =>
    (d.views[v]?.columns ?? []).map((name) => ({ name, ref: featureRef(d.project, v, name) })),
  ),
  ...(d.services[service]?.request ?? []).map((name) => ({ name, ref: requestRef(d.project, service, name) })),
];

/** What a predict step carries over is the column it comes from; a score is made of all that the model may read. */
function scoredColumns(d: ProjectDefinition, datasets: Tables): Edge[] {
  return Object.values(d.pipelines).flatMap((p) =>
    p.steps.flatMap((step): Edge[] => {
      if (step.kind !== 'predict' || step.on.kind !== 'dataset') return [];
      const { dataset, service } = step.on;
      const made = (column: string): Ref => columnRef(d.project, step.into, column);
      const kept = [...new Set([...(d.datasets[dataset]?.key ?? []), ...step.columns])];
      const request = service === null ? (datasets[dataset] ?? []) : (d.services[service]?.request ?? []);
      const read = [...(service === null ? [] : featuresOf(d, service)), ...request.map((c) => columnRef(d.project, dataset, c))];
      return [
        ...kept.map((c) => ({ from: made(c), to: columnRef(d.project, dataset, c), relation: 'derived-from' })),
        ...read.map((to) => ({ from: made('score'), to, relation: service === null ? 'derived-coarsely' : 'derived-from' })),
      ];
    }),
  );
}

function watched(d: ProjectDefinition, m: MonitorDefinition, datasets: Tables): Edge[] {
  const self = { kind: 'monitor', id: `${d.project}/${m.name}` };
  const service = m.endpoint === null ? null : (d.endpoints[m.endpoint]?.service ?? null);
  const names = m.columns === null ? null : new Set([...m.columns, ...m.slices]);
  const ofService = service === null ? [] : inputsOf(d, service).filter((i) => names === null || names.has(i.name));
  const baseline = m.baseline !== null && 'dataset' in m.baseline ? m.baseline.dataset : null;
  return [
    ...ofService.map((i) => ({ from: self, to: i.ref, relation: 'watches' })),
    ...(baseline === null ? [] : (datasets[baseline] ?? []))
      .filter((c) => names === null || names.has(c))
      .map((c) => ({ from: self, to: columnRef(d.project, baseline!, c), relation: 'compares-with' })),
  ];
}

/** In one order, each once: the same project gives the same map. */
function distinct(edges: readonly Edge[]): Edge[] {
  const keyOf = (e: Edge): string => JSON.stringify([e.from.kind, e.from.id, e.relation, e.to.kind, e.to.id]);
  const found = new Map(edges.map((e) => [keyOf(e), e]));
  return [...found.keys()].sort().map((key) => found.get(key)!);
}
