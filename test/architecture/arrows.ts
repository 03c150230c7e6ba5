// Who may import whom.
import { importsOf, isTest, loadedBy, sources, type SourceTree } from './source-tree.ts';

/** The layers, and the layers each may import besides itself. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  app: ['dialects', 'engines', 'domains', 'stats', 'kernel'],
  dialects: ['domains', 'stats', 'kernel'],
  engines: ['domains', 'stats', 'kernel'],
  domains: ['stats', 'kernel'],
  kernel: [],
  stats: [],
};

/** By which a domain is entered; `data-plane.ts` is the one that loads nothing of the control plane. */
const DOORS = ['public.ts', 'data-plane.ts'];

/** What the app may see of a domain besides its public names: what it composes the program from. */
const COMPOSED = [...DOORS, 'routes.ts', 'jobs.ts', 'subscribers.ts', 'commands.ts'];

const layerOf = (path: string): string => path.split('/')[1]!;
const roomOf = (path: string): string => path.split('/')[2]!;
const inRoom = (path: string): string => path.split('/').slice(3).join('/');

/** Imports that go up, sideways, or past a domain's public.ts. Tests may look into their neighbours. */
export function wrongArrows(tree: SourceTree): string[] {
  const wrong: string[] = [];
  for (const [path, text] of sources(tree, 'src/')) {
    for (const target of importsOf(path, text)) {
      const say = (why: string): unknown => wrong.push(`${path} imports ${target}: ${why}`);
      if (!tree.has(target)) say('there is no such file');
      if (!target.startsWith('src/')) {
        if (!isTest(path)) say('the program does not import from outside src');
        continue;
      }
      if (isTest(path)) continue;
      if (isTest(target)) say('the program does not import its tests');
      const [from, to] = [layerOf(path), layerOf(target)];
      if (from !== to && !ARROWS[from]?.includes(to)) say(`${from} does not know ${to}`);
      if (from === to && from === 'dialects' && roomOf(path) !== roomOf(target)) say('a dialect does not know another');
      if (from === to && from === 'engines' && roomOf(path) !== roomOf(target)) say('an engine does not know another');
      if (to !== 'domains') continue;
      const own = from === 'domains' && roomOf(path) === roomOf(target);
      if (own && DOORS.includes(inRoom(target))) say('a domain does not enter itself by its public door');
      if (own) continue;
      const doors = from === 'app' ? COMPOSED : DOORS;
      if (!doors.includes(inRoom(target))) say(`only ${doors.join(', ')} of a domain may be used here`);
    }
  }
  return wrong;
}

/** What each domain imports of others: { pipelines: ['access', ...] }. */
export function domainEdges(tree: SourceTree): Record<string, string[]> {
  const edges = new Map<string, Set<string>>();
  for (const [path, text] of sources(tree, 'src/domains/')) {
    if (isTest(path)) continue;
    for (const target of importsOf(path, text))
      if (target.startsWith('src/domains/') && roomOf(target) !== roomOf(path))
        edges.set(roomOf(path), (edges.get(roomOf(path)) ?? new Set()).add(roomOf(target)));
  }
  return Object.fromEntries([...edges].sort().map(([from, to]) => [from, [...to].sort()]));
}

/** A cycle of a graph as the list of its nodes, or undefined. */
export function findCycle(graph: Readonly<Record<string, readonly string[]>>): string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, trail: readonly string[]): string[] | undefined => {
    const at = trail.indexOf(node);
    if (at >= 0) return [...trail.slice(at), node];
    if (done.has(node)) return undefined;
    for (const next of graph[node] ?? []) {
      const cycle = visit(next, [...trail, node]);
      if (cycle) return cycle;
    }
    done.add(node);
    return undefined;
  };
  for (const node of Object.keys(graph)) {
    const cycle = visit(node, []);
    if (cycle) return cycle;
  }
  return undefined;
}

/**
 * A cycle among files that load each other. Types may refer to each other in a round, as `Ctx` and the jobs
 * that are given one do; the arrows above hold for types too.
 */
export const importCycle = (tree: SourceTree): string[] | undefined =>
  findCycle(Object.fromEntries(sources(tree).map(([path, text]) => [path, loadedBy(path, text)])));

/** Names that a public.ts takes from elsewhere than its own folder. */
export const foreignExports = (tree: SourceTree): string[] =>
  sources(tree, 'src/domains/')
    .filter(([path]) => DOORS.includes(inRoom(path)))
    .flatMap(([path, text]) =>
      importsOf(path, text)
        .filter((target) => roomOf(target) !== roomOf(path) || layerOf(target) !== 'domains')
        .map((target) => `${path} passes on ${target}`),
    );
