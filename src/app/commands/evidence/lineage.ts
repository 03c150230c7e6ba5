// gyre why, lineage: the chain of evidence, in the terminal.
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { count } from '../../../kernel/cli/terminal.ts';
import { act, type Program, type Use } from '../command.ts';
import { stepLine, whyMissed, type RunView } from '../runs.ts';

interface Ref {
  readonly kind: string;
  readonly id: string;
}
interface Node extends Ref {
  readonly label: string;
}
interface Graph {
  readonly root: Ref;
  readonly nodes: readonly Node[];
  readonly edges: readonly { readonly from: Ref; readonly to: Ref; readonly relation: string }[];
  readonly cut: boolean;
}

const MAX_CHILDREN = 12;
const keyOf = (ref: Ref): string => `${ref.kind} ${ref.id}`;

const nameOf = (ref: Ref, label: string): string => {
  if (ref.kind === 'source-file') return ref.id.replace(/^([0-9a-f]{12})[0-9a-f]* (.*)$/, '$2 ($1)');
  const id = /^[0-9a-f]{64}$/.test(ref.id) ? ref.id.slice(0, 12) : ref.id;
  return label === '' || label.includes(id) ? label || id : `${label} (${id})`;
};

/** What each link of the chain is called, in the order of the chain. */
const LINKS: readonly (readonly [kind: string, title: string])[] = [
  ['monitor', 'monitor'],
  ['endpoint-revision', 'endpoint revision'],
  ['variant', 'variant'],
  ['model-version', 'model version'],
  ['decision', 'gate decision'],
  ['evaluation', 'evaluation'],
  ['pipeline-run', 'run'],
  ['tracking-run', 'tracking run'],
  ['logged-model', 'logged model'],
  ['code-snapshot', 'code'],
  ['environment', 'environment'],
  ['trigger', 'trigger'],
  ['alert', 'alert'],
  ['finding', 'finding'],
  ['window', 'window'],
  ['dataset-version', 'dataset versions'],
  ['source-file', 'source files'],
];

/** The chain link by link: all things of a kind together, from the root down to the source files. */
export function chainLines(graph: Graph): string[] {
  const width = Math.max(...LINKS.map(([, title]) => title.length));
  return LINKS.flatMap(([kind, title]) =>
    graph.nodes.filter((n) => n.kind === kind).map((n, i) => `${(i === 0 ? title : '').padEnd(width)}  ${nameOf(n, n.label)}`),
  );
}

/** The graph as an indented tree; what was shown before is not repeated. */
export function treeLines(graph: Graph, direction: 'from' | 'to'): string[] {
  const nodes = new Map(graph.nodes.map((n) => [keyOf(n), n]));
  const next = new Map<string, { relation: string; ref: Ref }[]>();
  for (const e of graph.edges) {
    const [here, there] = direction === 'from' ? [e.from, e.to] : [e.to, e.from];
    const list = next.get(keyOf(here)) ?? [];
    if (!list.some((x) => keyOf(x.ref) === keyOf(there))) list.push({ relation: e.relation, ref: there });
    next.set(keyOf(here), list);
  }
  const shown = new Set<string>();
  const lines: string[] = [];
  const name = (ref: Ref): string => {
    const [kind, text] = [ref.kind.replaceAll('-', ' '), nameOf(ref, nodes.get(keyOf(ref))?.label ?? '')];
    return text.startsWith(kind) ? text : `${kind} ${text}`;
  };
  const visit = (ref: Ref, relation: string, depth: number): void => {
    const again = shown.has(keyOf(ref));
    const children = next.get(keyOf(ref)) ?? [];
    lines.push(
      `${'  '.repeat(depth)}${relation === '' ? '' : `${relation}: `}${name(ref)}${again && children.length > 0 ? '  (see above)' : ''}`,
    );
    if (again) return;
    shown.add(keyOf(ref));
    for (const child of children.slice(0, MAX_CHILDREN)) visit(child.ref, child.relation, depth + 1);
    if (children.length > MAX_CHILDREN) lines.push(`${'  '.repeat(depth + 1)}and ${children.length - MAX_CHILDREN} more`);
  };
  visit(graph.root, '', 0);
  if (graph.cut) lines.push('The graph goes on; ask from a node further along.');
  return lines;
}

const brief = (values: Readonly<Record<string, unknown>>): string =>
  Object.entries(values)
    .map(([name, v]) => `${name} ${typeof v === 'number' ? Number(v.toPrecision(5)) : JSON.stringify(v)}`)
    .join(', ');

export function lineageCommands(program: Program, root: Command): void {
  const why = root.command('why').description('what something was made from, and why');
  act<[string], { tree?: true }>(
    program,
    why
      .command('prediction')
      .description('from one prediction to the source files')
      .argument('<id>', 'a prediction id, as in the reply, or as it was sent')
      .option('--tree', 'every edge, as an indented tree'),
    async (use, id) => {
      // Ids that Gyre gave tell by themselves; others belong to the project at hand, if there is one.
      const project = await use.project().catch(() => undefined);
      const chain = await use.client().get<{
        prediction: {
          endpoint: string;
          score: number | null;
          modelVersion: string;
          eventTimeUs: number;
          request: Readonly<Record<string, unknown>>;
          inputs: Readonly<Record<string, unknown>>;
          features: {
            view: string;
            entity: readonly string[];
            fact: { knownAtUs: number; values: Readonly<Record<string, unknown>> } | null;
          }[];
        };
        graph: Graph;
      }>(`${path`/predictions/${id}/why`}${project === undefined ? '' : `?project=${encodeURIComponent(project)}`}`);
      const p = chain.prediction;
      const iso = (us: number): string => new Date(us / 1000).toISOString();
      use.print(chain, () => [
        `score ${p.score} by ${p.endpoint}, ${p.modelVersion === '' ? 'no model version' : `model version ${p.modelVersion}`}, as of ${iso(p.eventTimeUs)}`,
        ...(Object.keys(p.request).length > 0 ? [`request: ${brief(p.request)}`] : []),
        // Of a model served here they are the request and the features.
        ...(chain.graph.nodes.some((n) => n.kind === 'monitor') ? [`inputs: ${brief(p.inputs)}`] : []),
        ...p.features.map(
          (f) =>
            `${f.view}(${f.entity.map((key) => `${key}=${String(p.request[key])}`).join(', ')}): ${f.fact ? `${brief(f.fact.values)}, known at ${iso(f.fact.knownAtUs)}` : 'nothing was known'}`,
        ),
        '',
        ...(use.options.tree ? treeLines(chain.graph, 'from') : chainLines(chain.graph)),
      ]);
    },
  );
  act<[string]>(
    program,
    why.command('run').description('why each step of a run was done again, or taken from the cache').argument('<id>', 'a run’s id'),
    async (use, id) => {
      const run = await use.client().get<RunView>(path`/runs/${id}`);
      use.print(run, () => [
        `${run.pipeline} run ${run.number} ${run.state}`,
        ...run.steps.map((s) =>
          s.cached
            ? stepLine(s)
            : s.state === 'waiting' || s.state === 'skipped'
              ? `  ${s.name}: ${s.state}`
              : `  ${s.name}: ran because of ${whyMissed(s)}`,
        ),
      ]);
    },
  );

  const lineage = root.command('lineage').description('the graph of what was made from what');
  act<[string]>(
    program,
    lineage.command('dataset').description('what was made from the versions of a dataset').argument('<dataset>', 'its name in gyre.yaml'),
    async (use, dataset) => {
      const graph = await use.client().get<Graph>(path`/projects/${await use.project()}/datasets/${dataset}/lineage`);
      use.print(graph, () => [...treeLines(graph, 'to'), `${count(graph.nodes.length)} things, ${count(graph.edges.length)} edges`]);
    },
  );
  act<[string], object>(
    program,
    lineage.command('impact').description('what breaks if a column goes').argument('<column>', 'dataset.column'),
    async (use, given) => {
      const at = given.indexOf('.');
      const query = new URLSearchParams({
        project: await use.project(),
        dataset: at < 0 ? given : given.slice(0, at),
        column: at < 0 ? '' : given.slice(at + 1),
      });
      const impact = await use.client().get<Impact>(`/lineage/impact?${query}`);
      use.print(impact, () => impactLines(impact));
    },
  );
  const walkOptions = (command: Command): Command =>
    command
      .option('--up', 'what it was made from (the default)')
      .option('--down', 'what was made from it')
      .option('--depth <edges>', 'how far to go', '20')
      .option('--columns', 'columns and features, too');
  const walkFrom = async (use: Use<WalkOptions>, kind: string, id: string): Promise<void> => {
    const { down, up, depth, columns, direction } = use.options;
    const to = direction === 'to' || (down === true && up !== true);
    const query = new URLSearchParams({ direction: to ? 'to' : 'from', depth, ...(columns ? { columns: 'true' } : {}) });
    const graph = await use.client().get<Graph>(`${path`/lineage/${kind}/${id}`}?${query}`);
    use.print(graph, () => treeLines(graph, to ? 'to' : 'from'));
  };
  act<[string, string], WalkOptions>(
    program,
    walkOptions(
      lineage
        .command('of')
        .description('what a thing was made from, or what was made from it; "gyre lineage KIND ID" asks the same')
        .argument('<kind>', 'for example model-version, dataset-version, pipeline-run, column')
        .argument('<id>'),
    ).option('--direction <from|to>', 'made from, or used to make', 'from'),
    walkFrom,
  );
  // "gyre lineage model-version mdv_…": whatever is no subcommand is a kind.
  act<[string, string], WalkOptions>(program, walkOptions(lineage.enablePositionalOptions().argument('<kind>').argument('<id>')), walkFrom);
}

interface WalkOptions {
  readonly up?: true;
  readonly down?: true;
  readonly depth: string;
  readonly columns?: true;
  readonly direction?: string;
}

interface Reads {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly how: string }[];
}
interface Impact {
  readonly dataset: string;
  readonly column: string;
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
    readonly serving: readonly string[];
  }[];
  readonly coarse: readonly string[];
  readonly hidden: number;
}

const HOW: Readonly<Record<string, string>> = { value: '', rows: ' (which rows)', maybe: ' (perhaps)' };

/** What breaks, kind by kind; what is served now comes first. */
export function impactLines(i: Impact): string[] {
  const reads = (title: string, all: readonly Reads[]): string[] =>
    all.map((r) => `${title} ${r.name}: ${r.columns.map((c) => `${c.name}${HOW[c.how] ?? ''}`).join(', ')}`);
  const served = i.modelVersions.filter((v) => v.serving.length > 0);
  const lines = [
    ...served.map((v) => `SERVED by ${v.serving.join(', ')}: ${v.label} (${v.id}) reads ${v.inputs.join(', ')}`),
    ...reads('endpoint', i.endpoints),
    ...reads('monitor', i.monitors),
    ...reads('pipeline', i.pipelines),
    ...reads('feature view', i.featureViews),
    ...reads('dataset', i.datasets),
    ...i.contracts.map((c) => `contract ${c}`),
    ...i.subjects.map((s) => `subject ${s}: it is found by this column`),
    ...(i.modelVersions.length > served.length ? [`${i.modelVersions.length - served.length} model versions that are not served now`] : []),
  ];
  return [
    lines.length === 0
      ? `Nothing${i.hidden === 0 ? '' : ' that you may read'} reads ${i.dataset}.${i.column}.`
      : `If ${i.dataset}.${i.column} goes, this breaks:`,
    ...lines.map((l) => `  ${l}`),
    ...(i.coarse.length === 0 ? [] : [`Told by table only, for its columns could not be resolved: ${i.coarse.join(', ')}`]),
    ...(i.hidden === 0 ? [] : [`It reaches more that you may not read, and that is left out: ${i.hidden}`]),
  ];
}
