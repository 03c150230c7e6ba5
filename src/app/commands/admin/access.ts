// gyre users, workspaces: who may do what. What people and programs log in with is in the files beside.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { table } from '../../../kernel/cli/terminal.ts';
import { act, type Program } from '../command.ts';
import { grantCommands } from './grants.ts';
import { loginCommands } from './login.ts';
import { serviceAccountCommands } from './service-accounts.ts';
import { tokenCommands } from './tokens.ts';

interface User {
  readonly name: string;
  readonly role: string | null;
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
      .requiredOption('--role <role>', 'admin, editor, member, viewer or service')
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
    users
      .command('role')
      .description('change a user’s role')
      .argument('<name>')
      .argument('<role>', 'admin, editor, member, viewer or service'),
    async (use, name, role) => {
      await use.client().send('PATCH', path`/users/${name}`, { role });
      use.print({ name, role }, () => [`${name} is ${role}`]);
    },
  );
  act<[string]>(program, users.command('remove').description('remove a user and all its tokens').argument('<name>'), async (use, name) => {
    await use.client().send('DELETE', path`/users/${name}`);
    use.print({ name }, () => [`${name} is removed`]);
  });

  act<[string], { passwordFile: string }>(
    program,
    users
      .command('password')
      .description('give a user a new password; all of its sessions end')
      .argument('<name>')
      .requiredOption('--password-file <file>', 'the file that holds the password'),
    async (use, name) => {
      await use.client().post(path`/users/${name}/password`, { password: readFileSync(use.options.passwordFile, 'utf8').trim() });
      use.print({ name }, () => [`${name} has a new password`]);
    },
  );
  act<[string], { issuer: string; subject: string }>(
    program,
    users
      .command('link')
      .description('let an identity of the provider log in as this user')
      .argument('<name>')
      .requiredOption('--issuer <url>', 'the provider')
      .requiredOption('--subject <text>', 'the claim "sub" of the person there'),
    async (use, name) => {
      const { issuer, subject } = use.options;
      await use.client().post(path`/users/${name}/identities`, { issuer, subject });
      use.print({ name, issuer, subject }, () => [`${subject} of ${issuer} logs in as ${name}`]);
    },
  );
  grantCommands(program, root);
  tokenCommands(program, root);
  serviceAccountCommands(program, root);
  loginCommands(program, root);

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
