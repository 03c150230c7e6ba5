// gyre experiments, gyre tracking: what training code logs. Runs of pipelines are "gyre runs".
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { count, table } from '../../../kernel/cli/terminal.ts';
import { act, type Program } from '../command.ts';
import { experimentId } from './experiment-id.ts';
import { purge, purgeOptions, type PurgeOptions } from './purge.ts';
import { trackedRunCommands } from './tracked-runs.ts';

interface ExperimentReply {
  readonly id: string;
  readonly name: string;
  readonly lifecycle: string;
  readonly createdAt: string | null;
  readonly updatedAt: string | null;
  readonly artifactLocation: string;
  readonly tags: Readonly<Record<string, string>>;
}
interface ExperimentDetail extends ExperimentReply {
  readonly runs: { readonly active: number; readonly deleted: number; readonly byStatus: Readonly<Record<string, number>> };
}

interface ListOptions {
  readonly filter?: string;
  readonly deleted?: true;
  readonly limit: string;
}

export function experimentCommands(program: Program, root: Command): void {
  const experiments = root.command('experiments').description('experiments that training code logs to');
  for (const [name, description] of [
    ['list', 'experiments, the newest first'],
    ['search', 'experiments that fulfil an expression'],
  ] as const) {
    const command = experiments.command(name).description(description);
    if (name === 'search') command.argument('<filter>', `for example "tags.team = 'x' OR name LIKE 'churn%'"`);
    act<[string | undefined], ListOptions>(
      program,
      command.option('--deleted', 'deleted ones').option('--limit <n>', 'how many', '100'),
      async (use, filter) => {
        const { options } = use;
        const query = new URLSearchParams({
          limit: options.limit,
          lifecycle: options.deleted ? 'deleted' : 'active',
          ...(name === 'search' ? { filter: filter! } : {}),
        });
        const { items } = await use.client().get<{ items: ExperimentReply[] }>(`/experiments?${query}`);
        use.print(items, () =>
          table(items, [
            { title: 'ID', value: (e) => e.id },
            { title: 'NAME', value: (e) => e.name },
            { title: 'CREATED', value: (e) => e.createdAt },
            { title: 'UPDATED', value: (e) => e.updatedAt },
          ]),
        );
      },
    );
  }
  act<[string]>(
    program,
    experiments.command('show').description('an experiment, and how many runs it has').argument('<experiment>', 'its id or name'),
    async (use, given) => {
      const client = use.client();
      const e = await client.get<ExperimentDetail>(path`/experiments/${await experimentId(client, given)}`);
      use.print(e, () => [
        `${e.name} (${e.id}): ${e.lifecycle}`,
        `  created ${e.createdAt}, changed ${e.updatedAt}`,
        `  artifacts in ${e.artifactLocation}`,
        `  ${count(e.runs.active)} runs${Object.entries(e.runs.byStatus)
          .map(([s, n]) => `, ${count(n)} ${s}`)
          .join('')}; ${count(e.runs.deleted)} deleted`,
        ...Object.entries(e.tags).map(([key, value]) => `  ${key} = ${value}`),
      ]);
    },
  );
  for (const verb of ['delete', 'restore'] as const)
    act<[string]>(
      program,
      experiments
        .command(verb)
        .description(
          verb === 'delete' ? 'delete an experiment with its runs; "restore" brings it back' : 'restore a deleted experiment with its runs',
        )
        .argument('<experiment>', 'its id or name'),
      async (use, given) => {
        const client = use.client();
        const id = await experimentId(client, given);
        if (verb === 'delete') await client.send('DELETE', path`/experiments/${id}`);
        else await client.post(path`/experiments/${id}/restore`);
        use.print({ id }, () => [`experiment ${id} is ${verb === 'delete' ? 'deleted' : 'active'}`]);
      },
    );
  act<[string[]], PurgeOptions>(
    program,
    purgeOptions(
      experiments
        .command('purge')
        .alias('gc')
        .description('remove for good what is deleted: experiments, runs, logged models, and their artifacts')
        .argument('[experiment...]', 'ids or names; otherwise everything that is deleted'),
    ),
    async (use, given) => {
      const ids: string[] = [];
      for (const name of given) ids.push(await experimentId(use.client(), name));
      return purge(use, ids.length > 0 ? { experimentIds: ids } : {});
    },
  );
  trackedRunCommands(program, root);
}
