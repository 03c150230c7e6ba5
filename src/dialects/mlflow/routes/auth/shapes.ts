// How MLflow's basic-auth application speaks of users, levels and resources, and what they are here.
import { createHash } from 'node:crypto';
import { defineErrors } from '../../../../kernel/errors.ts';
import type { ResourceKind } from '../../../../kernel/levels.ts';
import type { GrantedKind, GrantedLevel, User } from '../../../../domains/access/public.ts';
import { invalid, type Args } from '../../wire.ts';

const { fail } = defineErrors({
  'mlflow-access-not-offered': {
    status: 501,
    title: 'Not offered',
    detail: (p: { what: string }) => `Permissions for ${p.what} are not offered by this server: it has no such resources.`,
  },
});
export const notOffered = (what: string): never => fail('mlflow-access-not-offered', { what });

/** Its client takes any id that does not change; MLflow's own are whole numbers. */
export const userNumber = (user: { readonly id: string }): number =>
  Number.parseInt(createHash('sha256').update(user.id).digest('hex').slice(0, 12), 16);

const LEVELS: readonly GrantedLevel[] = ['READ', 'USE', 'EDIT', 'MANAGE', 'NO_PERMISSIONS', 'DENY'];
const list = (values: readonly string[]): string => `(${values.map((v) => `'${v}'`).join(', ')})`;

/** A level, or for a resource of this type one of those that can be granted for it. */
export function levelIn(a: Args, type?: string): GrantedLevel {
  const word = a.required('permission');
  const level = LEVELS.find((l) => l === word) ?? invalid(`Invalid permission '${word}'. Valid permissions are: ${list(LEVELS)}`);
  if (type === undefined) return level;
  const [what, among] =
    type === 'workspace'
      ? (['Workspace-wide', ['MANAGE', 'USE']] as const)
      : (['Resource-level', ['DENY', 'EDIT', 'MANAGE', 'READ', 'USE']] as const);
  return among.some((l) => l === level)
    ? level
    : invalid(`Invalid permission '${word}' for resource_type='${type}'. ${what} grants accept only: ${list(among)}.`);
}

// Prompts are registered models with a tag.
const KINDS: Readonly<Record<string, GrantedKind>> = {
  experiment: 'experiment',
  registered_model: 'model',
  prompt: 'model',
  endpoint: 'endpoint',
  dataset: 'dataset',
  workspace: 'workspace',
};
const TYPES: Readonly<Record<GrantedKind, string>> = {
  experiment: 'experiment',
  model: 'registered_model',
  endpoint: 'endpoint',
  dataset: 'dataset',
  workspace: 'workspace',
};
// What MLflow has and this server has not, or has only as part of an experiment or model.
const ELSEWHERE = [
  'scorer',
  'gateway_secret',
  'gateway_endpoint',
  'gateway_model_definition',
  'mcp_server',
  'run',
  'trace',
  'assessment',
  'logged_model',
  'review_queue',
  'registered_model_version',
  'prompt_version',
  'scorer_version',
  'mcp_server_version',
];

export function anyKindIn(a: Args): GrantedKind {
  const type = a.required('resource_type');
  if (Object.hasOwn(KINDS, type)) return KINDS[type]!;
  if (ELSEWHERE.includes(type)) return notOffered(`resource_type '${type}'`);
  return invalid(`Invalid resource type '${type}'. Valid resource types are: ${list(Object.keys(KINDS).sort())}`);
}

export function kindIn(a: Args): ResourceKind {
  const kind = anyKindIn(a);
  return kind === 'workspace'
    ? invalid(
        "resource_type 'workspace' is not supported by the per-user permission convenience APIs. Use set_workspace_permission / delete_workspace_permission for workspace-wide grants.",
      )
    : kind;
}

export const typeOf = (kind: GrantedKind): string => TYPES[kind];

export const userToWire = (user: User, role: string | undefined) => ({
  id: userNumber(user),
  username: user.name,
  is_admin: role === 'admin',
});
