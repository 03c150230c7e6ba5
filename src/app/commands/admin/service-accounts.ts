// gyre service-accounts: users without a password, for programs.
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { table } from '../../../kernel/cli/terminal.ts';
import { act, assignments, type Program } from '../command.ts';
import { narrowing, tokenBody, type Narrowing, type Token } from './tokens.ts';

interface Account {
  readonly name: string;
  readonly role: string;
  readonly owner: string;
  readonly description: string;
  readonly disabledAt: string | null;
}
interface Binding {
  readonly id: string;
  readonly issuer: string;
  readonly subject: string;
  readonly claims: Readonly<Record<string, string>>;
}

const ROLES = 'admin, editor, member, viewer or service';

export function serviceAccountCommands(program: Program, root: Command): void {
  const accounts = root.command('service-accounts').description('users without a password, for programs');
  act(program, accounts.command('list').description('service accounts of the workspace'), async (use) => {
    const { items } = await use.client().get<{ items: Account[] }>('/service-accounts');
    use.print(items, () =>
      table(items, [
        { title: 'ACCOUNT', value: (a) => a.name },
        { title: 'ROLE', value: (a) => a.role },
        { title: 'OWNER', value: (a) => a.owner },
        { title: 'STATE', value: (a) => (a.disabledAt ? 'disabled' : 'enabled') },
        { title: 'FOR', value: (a) => a.description },
      ]),
    );
  });
  act<[string]>(program, accounts.command('show').description('an account and its bindings').argument('<name>'), async (use, name) => {
    const account = await use.client().get<Account>(path`/service-accounts/${name}`);
    const { items: bindings } = await use.client().get<{ items: Binding[] }>(path`/service-accounts/${name}/bindings`);
    use.print({ ...account, bindings }, () => [
      `${account.name} is ${account.role}, owned by ${account.owner}${account.disabledAt ? ', disabled' : ''}`,
      ...bindings.map(
        (b) =>
          `  ${b.id}  ${b.subject} of ${b.issuer} ${Object.entries(b.claims)
            .map(([k, v]) => `${k}=${v}`)
            .join(' ')}`,
      ),
    ]);
  });
  act<[string], { role: string; owner?: string; description?: string }>(
    program,
    accounts
      .command('create')
      .description('create a service account')
      .argument('<name>')
      .option('--role <role>', ROLES, 'service')
      .option('--owner <user>', 'who answers for it; otherwise you')
      .option('--description <text>', 'what it is for'),
    async (use, name) => {
      const { role, owner, description } = use.options;
      const made = await use
        .client()
        .post<Account>('/service-accounts', { name, role, ...(owner ? { owner } : {}), ...(description ? { description } : {}) });
      use.print(made, () => [`${name} is ${role}`]);
    },
  );
  act<[string], { role?: string; owner?: string; description?: string; disable?: true; enable?: true }>(
    program,
    accounts
      .command('change')
      .description('change, disable or enable a service account')
      .argument('<name>')
      .option('--role <role>', ROLES)
      .option('--owner <user>', 'who answers for it')
      .option('--description <text>', 'what it is for')
      .option('--disable', 'refuse its tokens and bindings')
      .option('--enable', 'accept them again'),
    async (use, name) => {
      const { role, owner, description, disable, enable } = use.options;
      const account = await use.client().send<Account>('PATCH', path`/service-accounts/${name}`, {
        ...(role ? { role } : {}),
        ...(owner ? { owner } : {}),
        ...(description === undefined ? {} : { description }),
        ...(disable ? { disabled: true } : enable ? { disabled: false } : {}),
      });
      use.print(account, () => [`${name} is ${account.role}${account.disabledAt ? ', disabled' : ''}`]);
    },
  );
  act<[string]>(
    program,
    accounts.command('remove').description('remove an account, its tokens and bindings').argument('<name>'),
    async (use, name) => {
      await use.client().send('DELETE', path`/service-accounts/${name}`);
      use.print({ name }, () => [`${name} is removed`]);
    },
  );
  act<[string, string], Narrowing>(
    program,
    narrowing(
      accounts
        .command('token')
        .description('create a token of a service account; its secret is printed once')
        .argument('<name>')
        .argument('<token>', 'a name for the token')
        .option('--role <role>', `${ROLES}; otherwise that of the account`),
    ),
    async (use, name, token) => {
      const made = await use
        .client()
        .post<{ token: Token; secret: string }>(path`/service-accounts/${name}/tokens`, tokenBody(token, use.options));
      use.print(made, () => [made.secret]);
    },
  );
  act<[string], { issuer: string; subject: string; claim?: string[] }>(
    program,
    accounts
      .command('bind')
      .description('let signed tokens of an issuer act as the account: jobs of a CI, pods')
      .argument('<name>')
      .requiredOption('--issuer <url>', 'as the token names it')
      .requiredOption('--subject <text>', 'the claim "sub"; * stands for any letters')
      .option('--claim <name=value...>', 'claims that must be there as well'),
    async (use, name) => {
      const { issuer, subject, claim } = use.options;
      const made = await use.client().post<Binding>(path`/service-accounts/${name}/bindings`, {
        issuer,
        subject,
        ...(claim ? { claims: assignments(claim) } : {}),
      });
      use.print(made, () => [`${made.id}: ${subject} of ${issuer} acts as ${name}`]);
    },
  );
  act<[string, string]>(
    program,
    accounts.command('unbind').description('remove a binding').argument('<name>').argument('<id>'),
    async (use, name, id) => {
      await use.client().send('DELETE', path`/service-accounts/${name}/bindings/${id}`);
      use.print({ id }, () => [`${id} is removed`]);
    },
  );
}
