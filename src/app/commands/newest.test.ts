// Long lists on the command line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client } from '../../kernel/cli/client.ts';
import { isProblem } from '../../kernel/errors.ts';
import type { Use } from './command.ts';
import { newest } from './newest.ts';

/** A server with so many things in its list. */
function serverOf(things: number) {
  const [asked, said]: [string[], string[]] = [[], []];
  const get = async (route: string): Promise<unknown> => {
    asked.push(route);
    const limit = Number(new URL(route, 'http://h').searchParams.get('limit'));
    return { items: Array.from({ length: Math.min(things, limit) }, (_, i) => i), nextCursor: things > limit ? 'x' : null };
  };
  const use = { client: () => ({ get }) as unknown as Client, terminal: { say: (line: string) => said.push(line) } };
  return { use: use as unknown as Use<object>, asked, said };
}

test('a list that is longer than what is shown says so beside it', async () => {
  const { use, asked, said } = serverOf(60);
  assert.equal((await newest<number>(use, '/things?state=open', '50')).length, 50);
  assert.equal((await newest<number>(use, '/things', '60')).length, 60);
  assert.deepEqual(asked, ['/things?state=open&limit=50', '/things?limit=60']);
  assert.deepEqual(said, ['There are older ones; a larger --limit shows them.']);
});

test('a limit is a number that the server takes', async () => {
  for (const limit of ['0', '-1', 'all', '501', '1.5', ''])
    await assert.rejects(newest(serverOf(1).use, '/things', limit), (error) => isProblem(error, 'option-invalid'), limit);
});
