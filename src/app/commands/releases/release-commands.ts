// gyre release: a version's way to all traffic, by steps where the project declares them.
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { table } from '../../../kernel/cli/terminal.ts';
import { act, type Program, type Use } from '../command.ts';
import { limited, newest, type Limited } from '../newest.ts';
import { describeRelease, frozenLines, percent, summaryOf, type Frozen, type ReleaseRow, type Story } from './release-status.ts';

interface StartOptions {
  readonly reason?: string;
  readonly atOnce?: true;
}

const ENDPOINT = 'its name in gyre.yaml';

export function releaseCommands(program: Program, root: Command): void {
  const release = root
    .command('release')
    .description('release a version to an endpoint, and steer a staged release')
    // Both it and its subcommands take the options that all share; what follows a subcommand's name is its own.
    .enablePositionalOptions();
  startable(program, release);
  startable(program, release.command('start').description('release a version; answers when the data planes serve its first step'));
  act<[string]>(
    program,
    release.command('status').description('step, sample and guardrails of the newest release').argument('<endpoint>', ENDPOINT),
    async (use, endpoint) => {
      const story = await use.client().get<Story>(await at(use, endpoint, 'release'));
      const frozen = await use.client().get<Frozen>(await at(use, endpoint, 'freeze'));
      use.print(story, () => [...describeRelease(story), ...frozenLines(endpoint, frozen)]);
    },
  );
  const actions = {
    pause: 'take no further step; the guardrails go on watching',
    resume: 'go on; hold and sample of the step begin anew',
    approve: 'let it into the step that waits for a person',
    promote: 'skip the steps that are left; the gate must still hold',
    abort: 'go back to the stable version alone',
    retry: 'release the candidate of the last release once more, from its first step',
  };
  for (const [action, description] of Object.entries(actions))
    act<[string], { reason: string }>(
      program,
      release
        .command(action)
        .description(description)
        .argument('<endpoint>', ENDPOINT)
        .requiredOption('--reason <text>', 'why, for the record'),
      async (use, endpoint) => {
        const { reason } = use.options;
        const found = await use.client().post<ReleaseRow>(await at(use, endpoint, `release/${action}`), { reason });
        use.print(found, () => [summaryOf(found)]);
      },
    );
  list(program, release.command('list'));
  list(program, root.command('releases'));
}

const at = async <O>(use: Use<O>, endpoint: string, what: string): Promise<string> =>
  `${path`/projects/${await use.project()}/endpoints/${endpoint}`}/${what}`;

function startable(program: Program, command: Command): void {
  act<[string, string], StartOptions>(
    program,
    command
      .argument('<endpoint>', ENDPOINT)
      .argument('[version]', 'number, alias or latest', 'latest')
      .option('--reason <text>', 'why, for the record')
      .option('--at-once', 'all traffic at once, without the steps that the project declares'),
    async (use, endpoint, version) => {
      const { reason, atOnce } = use.options;
      const made = await use.client().post<ReleaseRow>(await at(use, endpoint, 'releases'), {
        version,
        ...(reason ? { reason } : {}),
        ...(atOnce ? { atOnce } : {}),
      });
      use.print(made, () =>
        made.state === 'promoted'
          ? [`${endpoint} serves ${version}: release ${made.id} ${made.state}, revision ${made.revision}`]
          : [`release ${made.id}: ${summaryOf(made)}`, `"gyre release status ${endpoint}" shows how it fares`],
      );
    },
  );
}

function list(program: Program, command: Command): void {
  act<[string], Limited>(
    program,
    limited(command.description('releases of an endpoint, newest first').argument('<endpoint>', ENDPOINT)),
    async (use, endpoint) => {
      const items = await newest<ReleaseRow>(use, await at(use, endpoint, 'releases'), use.options.limit);
      use.print(items, () =>
        table(items, [
          { title: 'RELEASE', value: (r) => r.id },
          { title: 'VERSION', value: (r) => String(r.candidate.number) },
          { title: 'STATE', value: (r) => r.state },
          { title: 'SHARE', value: (r) => percent(r.share) },
          { title: 'STARTED', value: (r) => r.createdAt },
          { title: 'REVISION', value: (r) => r.revision },
          { title: 'REASON', value: (r) => r.reason },
        ]),
      );
    },
  );
}
