// gyre users, tokens, workspaces: who may do what.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { table } from '../../../kernel/cli/terminal.ts';
import { act, moment, type Program } from '../command.ts';

interface User {
  readonly name: string;
  readonly role: string | null;
}
interface Token {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly expiresAt: string | null;
}

export function accessCommands(program: Program, root: Command): void {
  const users = root.command('users').description('people and their roles in the workspace');
  act(program, users.command('list').description('users and their roles'), async (use) => {
    const { items } = await use.client().get<{ items: User[] }>('/users');
    use.print(items, () =>
      table(items, [
        { title: 'USER', value: (u) => u.name },
        { title: 'ROLE', value: (u) => u.role },
      ]),
    );
  });
  act<[string], { role: string; passwordFile: string }>(
    program,
    users
      .command('add')
      .description('create a user; from the first one on, everybody needs a login')
      .argument('<name>')
      .requiredOption('--role <role>', 'admin, editor, viewer or service')
      .requiredOption('--password-file <file>', 'the file that holds the password'),
    async (use, name) => {
      const user = await use
        .client()
        .post<User>('/users', { name, role: use.options.role, password: readFileSync(use.options.passwordFile, 'utf8').trim() });
      use.print(user, () => [`${name} is ${use.options.role}`]);
    },
  );
  act<[string, string]>(
    program,
    users.command('role').description('change a user’s role').argument('<name>').argument('<role>', 'admin, editor, viewer or service'),
    async (use, name, role) => {
      await use.client().send('PATCH', path`/users/${name}`, { role });
      use.print({ name, role }, () => [`${name} is ${role}`]);
    },
  );
  act<[string]>(program, users.command('remove').description('remove a user and all its tokens').argument('<name>'), async (use, name) => {
    await use.client().send('DELETE', path`/users/${name}`);
    use.print({ name }, () => [`${name} is removed`]);
  });

  const tokens = root.command('tokens').description('tokens for programs');
  act(program, tokens.command('list').description('tokens, without their secrets'), async (use) => {
    const { items } = await use.client().get<{ items: Token[] }>('/tokens');
    use.print(items, () =>
      table(items, [
        { title: 'TOKEN', value: (t) => t.name },
        { title: 'ROLE', value: (t) => t.role },
        { title: 'EXPIRES', value: (t) => t.expiresAt },
        { title: 'ID', value: (t) => t.id },
      ]),
    );
  });
  act<[string], { role: string; expires?: string }>(
    program,
    tokens
      .command('create')
      .description('create a token; its secret is printed once')
      .argument('<name>')
      .option('--role <role>', 'admin, editor, viewer or service', 'service')
      .option('--expires <moment>', 'UTC'),
    async (use, name) => {
      const made = await use.client().post<{ token: Token; secret: string }>('/tokens', {
        name,
        role: use.options.role,
        ...(use.options.expires ? { expiresAt: moment(use.options.expires) } : {}),
      });
      use.print(made, () => [made.secret]);
    },
  );
  act<[string]>(program, tokens.command('revoke').description('revoke a token at once').argument('<id>'), async (use, id) => {
    await use.client().send('DELETE', path`/tokens/${id}`);
    use.print({ id }, () => [`${id} is revoked`]);
  });

  const workspaces = root.command('workspaces').description('namespaces of everything');
  act(program, workspaces.command('list').description('workspaces that you may see'), async (use) => {
    const { items } = await use.client().get<{ items: { name: string }[] }>('/workspaces');
    use.print(items, () => items.map((w) => w.name));
  });
  act<[string]>(program, workspaces.command('create').description('create a workspace').argument('<name>'), async (use, name) => {
    const made = await use.client().post('/workspaces', { name });
    use.print(made, () => [`workspace ${name} is there`]);
  });
}
