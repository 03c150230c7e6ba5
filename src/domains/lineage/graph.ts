// Questions asked of the chain of evidence.
import type { Ctx } from '../../kernel/ctx.ts';
import type { Ref } from '../../kernel/events/events.ts';
import { fail } from './errors.ts';
import { hiddenOf, requireReadable } from './service/hidden.ts';
import * as store from './store.ts';
import type { GraphEdge, Node } from './store.ts';

export interface Graph {
  readonly root: Ref;
  readonly nodes: readonly Node[];
  readonly edges: readonly GraphEdge[];
  /** True if the walk was cut at its limit. */
  readonly cut: boolean;
  /** How many things the walk met that the caller may not read; nothing is said of them, nor of what lies behind them alone. */
  readonly hidden: number;
}

const MAX_NODES = 2000;
const MAX_EDGES = 10_000;
const ASKED_AT_ONCE = 500;
const key = (ref: Ref): string => `${ref.kind} ${ref.id}`;

export interface WalkOptions {
  /** Kinds that are left out; the root is always there. */
  readonly without?: readonly string[];
  /** Kinds that are shown and not walked through. */
  readonly stopAt?: readonly string[];
}

/** Everything reachable from `root` along ("from") or against ("to") the edges, as far as the caller may read it. Raises `lineage-unknown`, `level-too-low`. */
export async function walk(ctx: Ctx, root: Ref, direction: 'from' | 'to', depth: number, options: WalkOptions = {}): Promise<Graph> {
  const leftOut = new Set(options.without);
  const ends = new Set(options.stopAt);
  const seen = new Map<string, Node>();
  const edges: GraphEdge[] = [];
  let frontier: readonly Ref[] = [root];
  let cut = false;
  const hidden = new Set<string>();
  if (!(await requireReadable(ctx, root))) fail('lineage-unknown', root);
  for (let level = 0; frontier.length > 0; level++) {
    const next = new Map<string, Ref>();
    for (let i = 0; i < frontier.length; i += ASKED_AT_ONCE) {
      const part = frontier.slice(i, i + ASKED_AT_ONCE);
      for (const ref of part) seen.set(key(ref), { ...ref, label: '', payload: {}, firstMs: 0 });
      for (const node of await store.findNodes(ctx.db, ctx.workspace, part)) seen.set(key(node), node);
      if (level >= depth) continue;
      const room = MAX_EDGES - edges.length;
      const through = part.filter((ref) => level === 0 || !ends.has(ref.kind));
      const all = await store.listEdges(ctx.db, ctx.workspace, through, direction, room + 1);
      if (all.length > room) cut = true;
      const wanted = all.filter((e) => !leftOut.has((direction === 'from' ? e.to : e.from).kind));
      const secret = await hiddenOf(
        ctx,
        wanted.map((e) => (direction === 'from' ? e.to : e.from)),
      );
      for (const ref of secret) hidden.add(key(ref));
      const found = wanted.filter((e) => !secret.has(direction === 'from' ? e.to : e.from));
      if (level === 0 && all.length === 0 && seen.get(key(root))!.firstMs === 0) fail('lineage-unknown', root);
      edges.push(...found.slice(0, room));
      for (const edge of found) {
        const ref = direction === 'from' ? edge.to : edge.from;
        if (seen.has(key(ref)) || next.has(key(ref))) continue;
        if (seen.size + next.size >= MAX_NODES) cut = true;
        else next.set(key(ref), ref);
      }
    }
    // A later part of the same level may have been met by an earlier one.
    frontier = [...next.values()].filter((ref) => !seen.has(key(ref)));
  }
  // Where the walk was cut, no edge points at a node that is not shown.
  const shown = cut ? edges.filter((e) => seen.has(key(e.from)) && seen.has(key(e.to))) : edges;
  return { root, nodes: [...seen.values()], edges: shown, cut, hidden: hidden.size };
}
