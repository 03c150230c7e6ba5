// gyre tokens: for programs, one's own and those of others.
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { table } from '../../../kernel/cli/terminal.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { act, moment, type Program } from '../command.ts';

export interface Token {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly owner: string;
  readonly role: string;
  readonly scopes: readonly string[] | null;
  readonly resources: readonly string[] | null;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
  readonly revokedAt: string | null;
}
export interface Narrowing {
  readonly role?: string;
  readonly scope?: string[];
  readonly resource?: string[];
  readonly expires?: string;
}

/** Options of every command that makes a token. */
export const narrowing = (command: Command): Command =>
  command
    .option('--scope <permission...>', 'narrow it to these permissions, such as tracking:write')
    .option('--resource <kind:id...>', 'narrow it to these resources: experiment:ID, model:NAME, endpoint:NAME, dataset:PROJECT/DATASET')
    .option('--expires <moment>', 'UTC, or "never"; by default the server decides');

export const tokenBody = (name: string, { role, scope, resource, expires }: Narrowing): object => ({
  name,
  ...(role ? { role } : {}),
  ...(scope ? { scopes: scope } : {}),
  ...(resource ? { resources: resource } : {}),
  ...(expires ? { expiresAt: expires === 'never' ? null : moment(expires) } : {}),
});

// One's own first; an administrator may also reach those of others.
async function ownOrAny<T>(own: () => Promise<T>, any: () => Promise<T>): Promise<T> {
  try {
    return await own();
  } catch (error) {
    if (!isProblem(error, 'token-not-found')) throw error;
    try {
      return await any();
    } catch (second) {
      throw isProblem(second, 'forbidden') ? error : second;
    }
  }
}

export function tokenCommands(program: Program, root: Command): void {
  const tokens = root.command('tokens').description('tokens for programs');
  act<[], { mine?: true }>(
    program,
    tokens.command('list').description('tokens of the workspace, without their secrets').option('--mine', 'only your own'),
    async (use) => {
      const { items } = await use.client().get<{ items: Token[] }>(use.options.mine ? '/me/tokens' : '/tokens');
      use.print(items, () =>
        table(items, [
          { title: 'TOKEN', value: (t) => t.name },
          { title: 'BEGINS', value: (t) => t.prefix },
          { title: 'OWNER', value: (t) => t.owner },
          { title: 'ROLE', value: (t) => t.role },
          { title: 'NARROWED TO', value: (t) => [...(t.scopes ?? []), ...(t.resources ?? [])].join(' ') || null },
          { title: 'EXPIRES', value: (t) => (t.revokedAt ? 'revoked' : t.expiresAt) },
          { title: 'LAST USED', value: (t) => t.lastUsedAt },
          { title: 'ID', value: (t) => t.id },
        ]),
      );
    },
  );
  act<[string], Narrowing>(
    program,
    narrowing(
      tokens
        .command('create')
        .description('create a token of your own; its secret is printed once')
        .argument('<name>')
        .option('--role <role>', 'admin, editor, member, viewer or service; never more than you may yourself', 'service'),
    ),
    async (use, name) => {
      const made = await use.client().post<{ token: Token; secret: string }>('/me/tokens', tokenBody(name, use.options));
      use.print(made, () => [made.secret]);
    },
  );
  act<[string], { grace: string }>(
    program,
    tokens
      .command('rotate')
      .description('put a new token in the place of one; its secret is printed once')
      .argument('<id>')
      .option('--grace <seconds>', 'so long the old one works too', '0'),
    async (use, id) => {
      const body = { graceS: Number(use.options.grace) };
      const made = await ownOrAny(
        () => use.client().post<{ token: Token; secret: string }>(path`/me/tokens/${id}/rotate`, body),
        () => use.client().post<{ token: Token; secret: string }>(path`/tokens/${id}/rotate`, body),
      );
      use.print(made, () => [made.secret]);
    },
  );
  act<[string]>(program, tokens.command('revoke').description('revoke a token at once').argument('<id>'), async (use, id) => {
    await ownOrAny(
      () => use.client().send('DELETE', path`/me/tokens/${id}`),
      () => use.client().send('DELETE', path`/tokens/${id}`),
    );
    use.print({ id }, () => [`${id} is revoked`]);
  });
}
