// Which roles a provider's groups give (GYRE_OIDC_GROUP_ROLES). Pure.
import { grantableRoles, type GrantableRole } from '../model.ts';

export interface GroupRole {
  /** "*" is everybody. */
  readonly group: string;
  readonly role: GrantableRole;
  readonly workspace: string;
}

/** `ml-admins=admin,ml-team=editor@research`; the settings' table has checked it. */
export const parseGroupRoles = (text: string): GroupRole[] =>
  text.split(',').flatMap((part) => {
    const at = part.lastIndexOf('=');
    if (at < 0) return [];
    const [role = '', workspace = 'default'] = part
      .slice(at + 1)
      .trim()
      .split('@');
    return [{ group: part.slice(0, at).trim(), role: role as GrantableRole, workspace }];
  });

/** Groups as providers write them: a list, or one text. */
export const groupsOf = (claim: unknown): string[] =>
  typeof claim === 'string' ? [claim] : Array.isArray(claim) ? claim.filter((g): g is string => typeof g === 'string') : [];

// Roles stand in the table from the strongest on.
const stronger = (a: GrantableRole, b: GrantableRole | undefined): GrantableRole =>
  b === undefined || grantableRoles.indexOf(a) < grantableRoles.indexOf(b) ? a : b;

/** The role in each workspace; of several the strongest. */
export function rolesFor(groups: readonly string[], mapping: readonly GroupRole[]): Map<string, GrantableRole> {
  const roles = new Map<string, GrantableRole>();
  for (const { group, role, workspace } of mapping)
    if (group === '*' || groups.includes(group)) roles.set(workspace, stronger(role, roles.get(workspace)));
  return roles;
}
