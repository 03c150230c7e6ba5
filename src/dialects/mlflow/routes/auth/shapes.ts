// How MLflow's basic-auth application speaks of users, levels and resources, and what they are here.
import { createHash } from 'node:crypto';
import { defineErrors } from '../../../../kernel/errors.ts';
import type { ResourceKind } from '../../../../kernel/levels.ts';
import type { GrantedKind, GrantedLevel, User } from '../../../../domains/access/public.ts';
import { getModel } from '../../../../domains/registry/public.ts';
import { getExperiment } from '../../../../domains/tracking/public.ts';
import type { Ctx } from '../../../../kernel/ctx.ts';
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

export function levelIn(a: Args, among: readonly GrantedLevel[] = LEVELS): GrantedLevel {
  const word = a.required('permission');
  return among.find((level) => level === word) ?? invalid(`Invalid permission '${word}'. Valid permissions are: ${list(among)}`);
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

/** Nothing is granted for what is not there. Raises what the domains raise for it. */
export async function requireResource(ctx: Ctx, kind: ResourceKind, id: string): Promise<void> {
  if (id === '*') return;
  if (kind === 'experiment') await getExperiment(ctx, id);
  if (kind === 'model') await getModel(ctx, id);
}

export const userToWire = (user: User, role: string | undefined) => ({
  id: userNumber(user),
  username: user.name,
  is_admin: role === 'admin',
});
