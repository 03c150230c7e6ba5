// Roles, and what each may do. Pure.
import type { Actor } from '../../kernel/ctx.ts';
import { permissions, type Permission } from '../../kernel/permissions.ts';

export const roles = ['admin', 'editor', 'member', 'viewer', 'service', 'step'] as const;
export type Role = (typeof roles)[number];

/** Roles that can be granted to people and tokens; `step` is only ever given to a running step. */
export const grantableRoles = ['admin', 'editor', 'member', 'viewer', 'service'] as const satisfies readonly Role[];
export type GrantableRole = (typeof grantableRoles)[number];

const reads = permissions.filter((p) => p.endsWith(':read'));

// Erasing a person cannot be undone, and asking for all that is kept of one shows it.
// Evaluations are written by Gyre alone, and `gates:decide` (an override by hand) is the administrator's:
// nobody can both make the figures and pass the gate.
const editorOnly = permissions.filter((p) => !['access:admin', 'system:admin', 'gates:decide', 'governance:erase'].includes(p));

export const permissionsOf: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  admin: new Set(permissions),
  editor: new Set(editorOnly),
  // What MLflow lets any user do: make experiments and models, and with each other one what it was granted.
  member: new Set<Permission>([
    'access:self',
    'system:read',
    'tracking:read',
    'tracking:write',
    'models:read',
    'models:write',
    'datasets:read',
    'datasets:write',
    'releases:read',
    'releases:write',
    'serving:predict',
  ]),
  viewer: new Set<Permission>([...reads, 'access:self']),
  service: new Set<Permission>([
    'access:self',
    'monitoring:write',
    'serving:predict',
    'tracking:read',
    'tracking:write',
    'features:read',
    'models:read',
    'datasets:read',
    'projects:read',
    'blobs:write',
  ]),
  step: new Set<Permission>(['tracking:read', 'tracking:write']),
};

/** Each of the roles must allow it. */
export const may = (held: readonly string[], permission: Permission): boolean =>
  permission === 'public' || (held.length > 0 && held.every((role) => permissionsOf[role as Role]?.has(permission)));

/**
 * Whether a token that is narrowed to resources keeps a permission: only those where each resource is looked at by its
 * level. By any other it would reach what it was not given, or make itself more.
 */
export const reachesResources = (permission: Permission): boolean =>
  /^(tracking|models|datasets|releases):/.test(permission) || ['serving:predict', 'access:self', 'system:read'].includes(permission);

/** The roles that bound a token: the lesser of its own and its owner's of today, or both where neither holds the other. */
export const boundedBy = (role: Role, owner: GrantableRole | undefined): Role[] => {
  const within = (a: Role, b: Role): boolean => [...permissionsOf[a]].every((p) => permissionsOf[b].has(p));
  if (owner === undefined || within(role, owner)) return [role];
  return within(owner, role) ? [owner] : [role, owner];
};

export interface User {
  readonly id: string;
  readonly name: string;
  readonly passwordHash: string;
  readonly createdMs: number;
  /** Grows with each change of what was granted to the user. */
  readonly levelsVersion: number;
}

export interface Grant {
  readonly workspace: string;
  readonly userId: string;
  readonly role: GrantableRole;
}

/** What a token was given for. */
export interface Token {
  readonly id: string;
  readonly workspace: string;
  readonly name: string;
  readonly ownerId: string;
  readonly role: Role;
  readonly scope: NonNullable<Actor['scope']>;
  readonly expiresMs: number | null;
  readonly revokedMs: number | null;
  readonly createdMs: number;
  /** The first letters of its secret, by which people tell tokens apart. */
  readonly prefix: string;
  readonly lastUsedMs: number | null;
}

export const isUsable = (token: Token, nowMs: number): boolean =>
  token.revokedMs === null && (token.expiresMs === null || token.expiresMs > nowMs);
