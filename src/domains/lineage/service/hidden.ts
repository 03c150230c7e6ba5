// What a walk must not show: experiments, models, endpoints and datasets that the caller may not read, and what is part
// of them. Whose a run or a version is, its own domain says; what is nobody's by now is hidden from whoever is bounded.
import { atLeast, levelOf, requireLevel, resourceKinds, visible, type ResourceKind } from '../../../kernel/levels.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Ref } from '../../../kernel/events/events.ts';
import { modelsOfVersions } from '../../registry/public.ts';
import { experimentsOf } from '../../tracking/public.ts';
import { listEdges } from '../store.ts';

type Owned = readonly [ResourceKind, string];

/** The resource that its own name says it is or belongs to. */
function named({ kind, id }: Ref): Owned | undefined {
  if (kind === 'experiment' || kind === 'model' || kind === 'endpoint' || kind === 'dataset') return [kind, id];
  // project/dataset.column; neither a project nor a dataset has a point in its name.
  if (kind === 'column') return ['dataset', id.split('.')[0]!];
  return undefined;
}

/** What points at its resource by an edge of its own. */
const partOf: Readonly<Record<string, readonly [relation: string, kind: ResourceKind]>> = {
  'dataset-version': ['version-of', 'dataset'],
  'endpoint-revision': ['revision-of', 'endpoint'],
};

const AT_MOST = 10_000;

async function ownersOf(ctx: Ctx, refs: readonly Ref[]): Promise<(Owned | undefined | 'none')[]> {
  const ids = (kind: string): string[] => refs.filter((r) => r.kind === kind).map((r) => r.id);
  const [runs, logged, versions] = [
    await experimentsOf(ctx, 'run', ids('tracking-run')),
    await experimentsOf(ctx, 'logged-model', ids('logged-model')),
    await modelsOfVersions(ctx.db, ctx.workspace, ids('model-version')),
  ];
  // A variant is written as its revision and its own name.
  const asPart = refs.map((r) => (r.kind === 'variant' ? { kind: 'endpoint-revision', id: r.id.split('/')[0]! } : r));
  const edges = await listEdges(
    ctx.db,
    ctx.workspace,
    asPart.filter((r) => partOf[r.kind] !== undefined),
    'from',
    AT_MOST,
  );
  const wholes = new Map(edges.filter((e) => partOf[e.from.kind]?.[0] === e.relation).map((e) => [`${e.from.kind} ${e.from.id}`, e.to.id]));
  const of = (kind: ResourceKind, id: string | undefined): Owned | 'none' => (id === undefined ? 'none' : [kind, id]);
  return asPart.map((ref) => {
    const part = partOf[ref.kind];
    if (part) return of(part[1], wholes.get(`${ref.kind} ${ref.id}`));
    if (ref.kind === 'tracking-run') return of('experiment', runs.get(ref.id));
    if (ref.kind === 'logged-model') return of('experiment', logged.get(ref.id));
    if (ref.kind === 'model-version') return of('model', versions.get(ref.id));
    return named(ref);
  });
}

/** Whether there is anything that the caller may not read. */
const isBounded = (ctx: Ctx): boolean => resourceKinds.some((kind) => visible(ctx, kind) !== 'all');

/** Those of these that the caller may not read. */
export async function hiddenOf(ctx: Ctx, refs: readonly Ref[]): Promise<ReadonlySet<Ref>> {
  if (refs.length === 0 || !isBounded(ctx)) return new Set();
  const owners = await ownersOf(ctx, refs);
  return new Set(
    refs.filter((_, i) => {
      const owner = owners[i];
      return owner === 'none' || (owner !== undefined && !atLeast(levelOf(ctx, ...owner), 'READ'));
    }),
  );
}

/** Raises `level-too-low` for what the caller may not read; what is nobody's is told as that. */
export async function requireReadable(ctx: Ctx, ref: Ref): Promise<boolean> {
  if (!isBounded(ctx)) return true;
  const [owner] = await ownersOf(ctx, [ref]);
  if (owner === 'none') return false;
  if (owner !== undefined) requireLevel(ctx, ...owner, 'READ');
  return true;
}
