// How far somebody may go: the standing that `identify` gives to an actor. Made of the role in the workspace and of
// what was granted; the latter is kept in memory under a number that each change of it raises, so that it is right at
// once in every process.
import type { Platform } from '../../../kernel/ctx.ts';
import type { Database, Db } from '../../../kernel/db/database.ts';
import { greater, lesser, type Level, type ResourceKind, type Standing } from '../../../kernel/levels.ts';
import type { Role } from '../model.ts';
import { grantsOf, type ResourceGrant } from '../store/levels.ts';

/** What a role has where nothing was granted, and the most that a grant can give it. */
const byRole = (role: Role, defaultLevel: Level): { fallback: Level; cap: Level } =>
  ({
    admin: { fallback: 'MANAGE', cap: 'MANAGE' },
    editor: { fallback: 'MANAGE', cap: 'MANAGE' },
    member: { fallback: defaultLevel, cap: 'MANAGE' },
    viewer: { fallback: 'READ', cap: 'READ' },
    service: { fallback: 'EDIT', cap: 'EDIT' },
    // Its scope says what it may write.
    step: { fallback: 'MANAGE', cap: 'MANAGE' },
  })[role] as { fallback: Level; cap: Level };

/** Of several grants the greatest counts, and DENY before all; what is granted for one resource takes in what is for all. */
export function fold(grants: readonly ResourceGrant[]): Standing['granted'] {
  const granted: Partial<Record<ResourceKind, Map<string, Level>>> = {};
  const denied = new Set<string>();
  for (const { kind, resourceId, level } of grants) {
    if (kind === 'workspace') continue;
    const map = (granted[kind] ??= new Map());
    if (level === 'DENY') {
      denied.add(`${kind}/${resourceId}`);
      map.set(resourceId, 'NO_PERMISSIONS');
    } else if (!denied.has(`${kind}/${resourceId}`)) map.set(resourceId, greater(level, map.get(resourceId) ?? 'NO_PERMISSIONS'));
  }
  for (const [kind, map] of Object.entries(granted)) {
    const all = map.get('*');
    if (all === undefined) continue;
    for (const [id, level] of map)
      map.set(id, denied.has(`${kind}/*`) || denied.has(`${kind}/${id}`) ? 'NO_PERMISSIONS' : greater(level, all));
  }
  return granted;
}

const MOST_KEPT = 5000;
const kept = new WeakMap<Database, Map<string, { version: number; granted: Standing['granted'] }>>();

async function grantedTo(database: Database, db: Db, workspace: string, userId: string, version: number): Promise<Standing['granted']> {
  let known = kept.get(database);
  if (!known || known.size > MOST_KEPT) kept.set(database, (known = new Map()));
  const key = `${workspace}\0${userId}`;
  const before = known.get(key);
  if (before?.version === version) return before.granted;
  const granted = fold(await grantsOf(db, workspace, userId));
  // Read after its number was, so it may be newer than it says and is never older.
  known.set(key, { version, granted });
  return granted;
}

export interface Holder {
  /** Each bounds it: a token's role, and its owner's of today. */
  readonly roles: readonly Role[];
  /** The user, or the owner of the token if that is a user. */
  readonly user?: { readonly id: string; readonly levelsVersion: number } | undefined;
}

/** The standing of somebody in a workspace. */
export async function standingIn(
  { database, settings }: Pick<Platform, 'database' | 'settings'>,
  workspace: string,
  { roles, user }: Holder,
): Promise<Standing> {
  const bounds = roles.map((role) => byRole(role, settings.defaultPermission));
  const fallback = bounds.map((b) => b.fallback).reduce(lesser);
  const cap = bounds.map((b) => b.cap).reduce(lesser);
  // An administrator is bound by nothing that was granted.
  const unbound = !user || roles.every((role) => role === 'admin');
  const granted = unbound ? {} : await grantedTo(database, database.reader, workspace, user.id, user.levelsVersion);
  return { ...(user ? { userId: user.id } : {}), fallback, cap, granted };
}
