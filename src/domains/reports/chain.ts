// One prediction's chain of evidence as layers for a drawing: what only groups things is left out, steps are
// folded into their run, source files into what was made from them, and an arrow that others imply is dropped.
import type { ChainNode, ChainView } from './model.ts';

interface Ref {
  readonly kind: string;
  readonly id: string;
}
export interface EvidenceGraph {
  readonly root: Ref;
  readonly nodes: readonly (Ref & { readonly label: string; readonly payload: Readonly<Record<string, unknown>> })[];
  readonly edges: readonly { readonly from: Ref; readonly to: Ref; readonly relation: string }[];
}

const titles: Readonly<Record<string, string>> = {
  prediction: 'Prediction',
  'endpoint-revision': 'Endpoint revision',
  variant: 'Variant',
  'model-version': 'Model version',
  decision: 'Gate decision',
  evaluation: 'Evaluation',
  'logged-model': 'Logged model',
  'tracking-run': 'Tracking run',
  'pipeline-run': 'Pipeline run',
  environment: 'Environment',
  'code-snapshot': 'Code',
  'dataset-version': 'Dataset version',
};

const keyOf = ({ kind, id }: Ref): string => `${kind} ${id}`;
const textOf = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

/** "digest path" of a source file. */
export const sourceFile = (id: string): { digest: string; path: string } => {
  const at = id.indexOf(' ');
  return at < 0 ? { digest: '', path: id } : { digest: id.slice(0, at), path: id.slice(at + 1) };
};

// The title of a box says what it is, so its label says only which one.
function labelOf({ kind, id, label, payload }: EvidenceGraph['nodes'][number]): string {
  if (kind === 'variant') return id.slice(id.lastIndexOf('/') + 1);
  if (kind === 'decision' && textOf(payload.outcome)) return textOf(payload.outcome)!;
  if (kind === 'prediction') return id;
  if (kind === 'evaluation' && typeof payload.rows === 'number') return `${payload.rows.toLocaleString('en-US')} rows`;
  if (kind === 'code-snapshot' && typeof payload.files === 'number') return `${payload.files} files`;
  if (kind === 'environment') return label.slice(label.lastIndexOf(' on ') + 1).replace(/^on /, '') || id;
  if (kind === 'logged-model') return label.replace(/^logged model (?=.)/, '') || id;
  return label === '' ? id : label;
}

const digestOf = ({ kind, id, payload }: EvidenceGraph['nodes'][number]): string | null =>
  kind === 'environment' || kind === 'code-snapshot'
    ? id
    : (textOf(payload.digest) ?? textOf(payload.logicalDigest) ?? textOf(payload.scoreTable));

// "python/requirements.lock on CPython 3.11"
const lockOf = (label: string): string[] => (label.includes(' on ') ? [label.slice(0, label.lastIndexOf(' on '))] : []);

export function chainOf(graph: EvidenceGraph): Pick<ChainView, 'nodes' | 'edges' | 'folded'> {
  // A step is drawn as the run it is part of.
  const alias = new Map(
    graph.edges.filter((e) => e.from.kind === 'step' && e.relation === 'part-of').map((e) => [keyOf(e.from), keyOf(e.to)]),
  );
  const shown = new Map(graph.nodes.filter((n) => n.kind in titles).map((n) => [keyOf(n), n]));
  const files = new Map<string, Set<string>>();
  // What a step ran comes first in the list of a snapshot's files.
  const ran = new Set(
    graph.edges.filter((e) => e.from.kind === 'step' && e.to.kind === 'source-file').map((e) => sourceFile(e.to.id).path),
  );
  const ranFirst = (a: string, b: string): number => Number(ran.has(b)) - Number(ran.has(a)) || (a < b ? -1 : 1);
  const arrows = new Map<string, Set<string>>([...shown.keys()].map((key) => [key, new Set()]));
  for (const { from, to } of graph.edges) {
    const source = alias.get(keyOf(from)) ?? keyOf(from);
    if (!shown.has(source)) continue;
    if (to.kind === 'source-file') {
      // A step's code is part of the run's snapshot.
      if (from.kind !== 'step') files.set(source, (files.get(source) ?? new Set()).add(sourceFile(to.id).path));
      continue;
    }
    const target = alias.get(keyOf(to)) ?? keyOf(to);
    if (shown.has(target) && target !== source) arrows.get(source)!.add(target);
  }
  const layer = layersOf(arrows, keyOf(graph.root));
  const kept = reduce(arrows);
  const nodes = [...shown].map(([key, node]): ChainNode => ({
    key,
    title: titles[node.kind]!,
    label: labelOf(node),
    id: node.id,
    digest: digestOf(node),
    layer: layer.get(key) ?? 0,
    files: node.kind === 'environment' ? lockOf(node.label) : [...(files.get(key) ?? [])].sort(ranFirst),
  }));
  return {
    nodes: nodes.sort((a, b) => a.layer - b.layer || (a.title < b.title ? -1 : a.title > b.title ? 1 : a.label < b.label ? -1 : 1)),
    edges: [...kept].flatMap(([from, targets]) => [...targets].map((to) => ({ from, to }))),
    folded: graph.nodes.length - shown.size,
  };
}

type Arrows = ReadonlyMap<string, ReadonlySet<string>>;

/** Longest way from the root, so that every arrow points down. */
function layersOf(arrows: Arrows, root: string): Map<string, number> {
  const order: string[] = [];
  const seen = new Set<string>();
  const visit = (key: string): void => {
    if (seen.has(key)) return;
    seen.add(key);
    for (const next of arrows.get(key) ?? []) visit(next);
    order.unshift(key);
  };
  visit(root);
  const layer = new Map(order.map((key) => [key, 0]));
  for (const key of order) for (const next of arrows.get(key) ?? []) layer.set(next, Math.max(layer.get(next) ?? 0, layer.get(key)! + 1));
  return layer;
}

/** Without arrows that a longer way implies (transitive reduction). */
function reduce(arrows: Arrows): Map<string, Set<string>> {
  const below = new Map<string, Set<string>>();
  const reach = (key: string): Set<string> => {
    const known = below.get(key);
    if (known) return known;
    const found = new Set<string>();
    below.set(key, found);
    for (const next of arrows.get(key) ?? []) {
      found.add(next);
      for (const far of reach(next)) found.add(far);
    }
    return found;
  };
  return new Map(
    [...arrows].map(([key, targets]) => [
      key,
      new Set([...targets].filter((t) => ![...targets].some((other) => other !== t && reach(other).has(t)))),
    ]),
  );
}
