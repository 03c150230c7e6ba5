// A person, or a program: where a project wants a person's word, that of a program is none.
import type { Ctx } from './ctx.ts';
import { defineErrors } from './errors.ts';

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
