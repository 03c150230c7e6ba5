// Lists that may be long: the newest of them, and a word where there are older ones.
import type { Command } from 'commander';
import type { Use } from './command.ts';
import { fail } from './option-values.ts';

export interface Limited {
  readonly limit: string;
}

/** The server answers no more at once. */
const MOST = 500;

export const limited = (command: Command): Command => command.option('--limit <number>', 'how many at most', '50');

/** At most as many as `--limit` says; that there are more is said beside the list. Raises `option-invalid`. */
export async function newest<T>(use: Use<object>, route: string, limit: string): Promise<T[]> {
  if (!/^[1-9]\d*$/.test(limit) || Number(limit) > MOST)
    fail('option-invalid', { option: '--limit', value: limit, expected: `a number from 1 to ${MOST}` });
  const query = `${route}${route.includes('?') ? '&' : '?'}limit=${limit}`;
  const { items, nextCursor = null } = await use.client().get<{ items: T[]; nextCursor?: string | null }>(query);
  if (nextCursor !== null)
    use.terminal.say(`There are older ones; ${Number(limit) < MOST ? 'a larger --limit shows them' : 'the API lists them all'}.`);
  return items;
}
