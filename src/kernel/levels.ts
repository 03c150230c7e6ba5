// What somebody may do with one resource. Permissions (permissions.ts) say which routes a role may ask; a level
// says how far that goes for one experiment, model, endpoint or dataset. The levels and what each allows are MLflow's
// (mlflow/server/auth/permissions.py), so that its client and ours speak of the same thing.
import { sql, type RawBuilder } from 'kysely';
import type { Actor, Ctx } from './ctx.ts';
import { defineErrors } from './errors.ts';

export const resourceKinds = ['experiment', 'model', 'endpoint', 'dataset'] as const;
export type ResourceKind = (typeof resourceKinds)[number];

/** Each holds what the ones before it hold: see, predict with, change, delete and share. */
export const levels = ['NO_PERMISSIONS', 'READ', 'USE', 'EDIT', 'MANAGE'] as const;
export type Level = (typeof levels)[number];

const rank = (level: Level): number => levels.indexOf(level);
export const atLeast = (held: Level, needed: Level): boolean => rank(held) >= rank(needed);
export const lesser = (a: Level, b: Level): Level => (rank(a) <= rank(b) ? a : b);
export const greater = (a: Level, b: Level): Level => (rank(a) >= rank(b) ? a : b);

/** All that is needed to decide without asking anybody: made once for a request, by domains/access. */
export interface Standing {
  /** The user behind it; absent for those who are no user. */
  readonly userId?: string;
  /** What holds where nothing was granted. */
  readonly fallback: Level;
  /** Nothing granted goes beyond it. */
  readonly cap: Level;
  /** What was granted, by kind and id; "*" stands for each id that is not listed. */
  readonly granted: Readonly<Partial<Record<ResourceKind, ReadonlyMap<string, Level>>>>;
}

const everything: Standing = { fallback: 'MANAGE', cap: 'MANAGE', granted: {} };
const nothing: Standing = { fallback: 'NO_PERMISSIONS', cap: 'NO_PERMISSIONS', granted: {} };

/**
 * The program itself and the local administrator may do everything. A step is bound by the scope of its token, not by
 * levels. Whoever logged in and has no standing may do nothing.
 */
const standingOf = (actor: Actor): Standing => actor.standing ?? (['user', 'service'].includes(actor.kind) ? nothing : everything);

const held = (s: Standing, kind: ResourceKind, id: string): Level => {
  const granted = s.granted[kind];
  return lesser(s.cap, granted?.get(id) ?? granted?.get('*') ?? s.fallback);
};

/** The level that the actor has for one resource; "*" asks for resources of the kind in general. */
export const levelOf = (ctx: Pick<Ctx, 'actor'>, kind: ResourceKind, id: string): Level => held(standingOf(ctx.actor), kind, id);

const { fail } = defineErrors({
  'level-too-low': {
    status: 403,
    title: 'Not permitted for this resource',
    detail: (p: { actor: string; kind: ResourceKind; id: string; needed: Level; held: Level }) =>
      `${p.actor} needs the level ${p.needed} for the ${p.kind} "${p.id}" and has ${p.held}. Who has MANAGE for it can grant more, and so can an administrator of the workspace.`,
  },
});

/** Raises `level-too-low`. */
export function requireLevel(ctx: Pick<Ctx, 'actor'>, kind: ResourceKind, id: string, needed: Level): void {
  const level = levelOf(ctx, kind, id);
  if (!atLeast(level, needed)) fail('level-too-low', { actor: `${ctx.actor.kind} "${ctx.actor.id}"`, kind, id, needed, held: level });
}

/** The ids that may be read. */
export type Visible = 'all' | { readonly these: readonly string[] } | { readonly except: readonly string[] };

export function visible(ctx: Pick<Ctx, 'actor'>, kind: ResourceKind): Visible {
  const s = standingOf(ctx.actor);
  const ids = [...(s.granted[kind]?.keys() ?? [])].filter((id) => id !== '*');
  const reads = (id: string): boolean => atLeast(held(s, kind, id), 'READ');
  if (!reads('*')) return { these: ids.filter(reads) };
  const except = ids.filter((id) => !reads(id));
  return except.length === 0 ? 'all' : { except };
}

/** The same as a condition on a column of ids, for lists and searches; one bind, however many ids. */
export function visibleSql(ctx: Pick<Ctx, 'actor' | 'database'>, kind: ResourceKind, column: string): RawBuilder<boolean> {
  const seen = visible(ctx, kind);
  if (seen === 'all') return sql<boolean>`1 = 1`;
  const [ids, not] = 'these' in seen ? [seen.these, ''] : [seen.except, 'not '];
  if (ids.length === 0) return sql<boolean>`1 = 0`;
  const list =
    ctx.database.dialect.name === 'sqlite'
      ? sql`(select value from json_each(${JSON.stringify(ids)}))`
      : sql`(select json_array_elements_text(${JSON.stringify(ids)}::json))`;
  return sql<boolean>`${sql.raw(column)} ${sql.raw(not)}in ${list}`;
}
