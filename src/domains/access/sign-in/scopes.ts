// What a token is narrowed to: permissions, and resources.
import { resourceKinds, type Level, type ResourceKind, type Standing } from '../../../kernel/levels.ts';

/** `kind:id`; an experiment, a model, an endpoint or a dataset by the id or name that its own routes use. */
export const RESOURCE = new RegExp(`^(${resourceKinds.join('|')}):[^\\s].{0,255}$`, 'u');

/** Why this names no resource, and how to mend it; undefined for one that does. */
export function faultOf(resource: string): string | undefined {
  if (!RESOURCE.test(resource))
    return `"${resource}" names no resource; write experiment:ID, model:NAME, endpoint:NAME or dataset:PROJECT/DATASET`;
  const [kind, id] = partsOf(resource);
  if (id === '*') return undefined;
  if (kind === 'dataset' && !/^[^/]+\/[^/]+$/.test(id))
    return `"${resource}" names no dataset; write it with its project: dataset:PROJECT/DATASET`;
  if (kind === 'experiment' && !/^[a-zA-Z0-9][\w-]*$/.test(id))
    return `"${resource}" names no experiment; write its id, which "gyre experiments list" shows, and not its name`;
  return undefined;
}

const partsOf = (resource: string): [ResourceKind, string] => {
  const at = resource.indexOf(':');
  return [resource.slice(0, at) as ResourceKind, resource.slice(at + 1)];
};

/** The standing of a token that reaches only these resources: nothing but what its holder has with each of them. */
export function narrowed(standing: Standing, resources: readonly string[] | undefined): Standing {
  if (resources === undefined) return standing;
  const granted: Partial<Record<ResourceKind, Map<string, Level>>> = {};
  for (const [kind, id] of resources.map(partsOf)) {
    const before = standing.granted[kind];
    (granted[kind] ??= new Map()).set(id, before?.get(id) ?? before?.get('*') ?? standing.fallback);
  }
  return { ...standing, fallback: 'NO_PERMISSIONS', granted };
}

/** The endpoints that a token may ask for predictions. */
export function endpointsOf(resources: readonly string[] | undefined): string[] | '*' {
  if (resources === undefined || resources.includes('endpoint:*')) return '*';
  return resources
    .map(partsOf)
    .filter(([kind]) => kind === 'endpoint')
    .map(([, id]) => id);
}
