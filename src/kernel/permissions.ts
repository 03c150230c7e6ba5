// What a route can ask for, and whether a person asks. Which role may do what is decided in domains/access.
import type { Ctx } from './ctx.ts';
import { defineErrors } from './errors.ts';

export const permissions = [
  'access:admin',
  'access:self',
  'alerts:read',
  'alerts:write',
  'blobs:write',
  'code:execute',
  'datasets:read',
  'datasets:write',
  'environments:read',
  'features:read',
  'features:write',
  'gates:decide',
  'governance:erase',
  'governance:read',
  'lineage:read',
  'models:read',
  'models:write',
  'monitoring:read',
  'monitoring:write',
  'pipelines:read',
  'pipelines:run',
  'projects:read',
  'releases:approve',
  'releases:read',
  'releases:write',
  'retraining:read',
  'retraining:write',
  'serving:predict',
  'system:read',
  'system:admin',
  'timeline:advance',
  'tracking:read',
  'tracking:write',
] as const;

/** `public` routes need no actor: health, readiness, version. */
export type Permission = (typeof permissions)[number] | 'public';

// Where a project wants a person's word, that of a program is none.
const { fail } = defineErrors({
  'person-needed': {
    status: 403,
    title: 'A person has to say so',
    detail: (p: { actor: string; action: string }) =>
      `${p.actor} is a program, and to ${p.action} is a person's word. Log in as yourself ("gyre login"), or use a token of your own.`,
  },
});

/** Says whether somebody speaks for himself: logged in, at the server's own machine, or by a token of his own. */
export const isPerson = ({ kind, ofPerson = false }: { readonly kind: string; readonly ofPerson?: boolean }): boolean =>
  kind === 'user' || kind === 'local' || ofPerson;

/** `action` follows "to". Raises `person-needed`. */
export function requirePerson({ actor }: Pick<Ctx, 'actor'>, action: string): void {
  if (!isPerson(actor)) fail('person-needed', { actor: `${actor.kind} "${actor.id}"`, action });
}
