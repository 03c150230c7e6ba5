// gyre grants: what users may do with one experiment, model, endpoint or dataset.
import type { Command } from 'commander';
import { fail as failAny } from '../../../kernel/errors.ts';
import { table } from '../../../kernel/cli/terminal.ts';
import { levels, resourceKinds } from '../../../kernel/levels.ts';
import { act, type Program } from '../command.ts';

interface Grant {
  readonly user: string;
  readonly level: string;
}

const LEVELS = [...levels, 'DENY'];
const RESOURCE = 'experiment:ID, model:NAME, endpoint:NAME or dataset:PROJECT/DATASET; * stands for each of the kind';

const examples = `
Examples:
  gyre grants add bob experiment:12 EDIT        bob may write runs into experiment 12
  gyre grants add bob 'model:*' READ            bob may see every model
  gyre grants add eve dataset:flights/raw DENY  eve may not, whatever else was granted
  gyre grants list model:churn --json
  gyre grants show bob model:churn              what bob may really do, with roles and defaults
  gyre grants remove bob experiment:12`;

/** Raises `invalid-input` for what names no resource. */
function resourceOf(given: string): { kind: string; id: string } {
  const at = given.indexOf(':');
  const [kind, id] = [given.slice(0, at), given.slice(at + 1)];
  if (at > 0 && id !== '' && (resourceKinds as readonly string[]).includes(kind)) return { kind, id };
  return failAny('invalid-input', { what: `"${given}"` }, [{ pointer: '<resource>', detail: `write ${RESOURCE}` }]);
}

const query = (of: Readonly<Record<string, string>>): string => new URLSearchParams(of).toString();

export function grantCommands(program: Program, root: Command): void {
  const grants = root
    .command('grants')
    .description('what users may do with one experiment, model, endpoint or dataset; needs MANAGE for it')
    .addHelpText('after', examples);
  act<[string]>(
    program,
    grants.command('list').description('what was granted for a resource').argument('<resource>', RESOURCE),
    async (use, resource) => {
      const { items } = await use.client().get<{ items: Grant[] }>(`/grants?${query(resourceOf(resource))}`);
      use.print(items, () =>
        table(items, [
          { title: 'USER', value: (g) => g.user },
          { title: 'LEVEL', value: (g) => g.level },
        ]),
      );
    },
  );
  act<[string, string, string]>(
    program,
    grants
      .command('add')
      .description('grant a user a level, in the place of the one it had')
      .argument('<user>')
      .argument('<resource>', RESOURCE)
      .argument('<level>', LEVELS.join(', '))
      .addHelpText('after', examples),
    async (use, user, resource, given) => {
      const level = given.toUpperCase();
      if (!LEVELS.includes(level))
        failAny('invalid-input', { what: `"${given}"` }, [{ pointer: '<level>', detail: `write one of ${LEVELS.join(', ')}` }]);
      const grant = { user, ...resourceOf(resource), level };
      await use.client().send('PUT', '/grants', grant);
      use.print(grant, () => [`${user} has ${level} for ${resource}`]);
    },
  );
  act<[string, string]>(
    program,
    grants.command('remove').description('take back what a user was granted').argument('<user>').argument('<resource>', RESOURCE),
    async (use, user, resource) => {
      const of = { user, ...resourceOf(resource) };
      await use.client().send('DELETE', `/grants?${query(of)}`);
      use.print(of, () => [`nothing of ${resource} is granted to ${user} itself any more`]);
    },
  );
  act<[string, string]>(
    program,
    grants
      .command('show')
      .description('what a user may really do with a resource: by role, default and all grants')
      .argument('<user>')
      .argument('<resource>', RESOURCE),
    async (use, user, resource) => {
      const of = { user, ...resourceOf(resource) };
      const { level } = await use.client().get<{ level: string }>(`/levels?${query(of)}`);
      use.print({ ...of, level }, () => [`${user} has ${level} for ${resource}`]);
    },
  );
}
