// gyre init, plan, apply, timeline: the project file on its way to the server.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { path } from '../../kernel/cli/client.ts';
import { exitCodes } from '../../kernel/cli/exit-codes.ts';
import { count, table } from '../../kernel/cli/terminal.ts';
import { defineErrors } from '../../kernel/errors.ts';
import { act, moment, type Program, type Use } from './command.ts';
import { filesUnder, type LocalProject } from './local-project.ts';
import { projectNameFor, starter } from './starter.ts';
import { applyLocal, pushDataset, type Applied } from './upload.ts';

const { fail } = defineErrors({
  'project-begun': {
    status: 409,
    title: 'A project is there already',
    detail: (p: { folder: string; files: readonly string[] }) =>
      `In ${p.folder} there is ${p.files.join(', ')} already; nothing was written. Go on with it, or name another folder.`,
  },
});

interface Plan {
  readonly project: string;
  readonly baseRevision: number;
  readonly changes: Applied['changes'];
}

const changeLines = (changes: Applied['changes']): string[] => [
  ...table(changes, [
    { title: 'CHANGE', value: (c) => c.change },
    { title: 'KIND', value: (c) => c.kind },
    { title: 'NAME', value: (c) => c.name },
  ]),
  ...changes.flatMap((c) => (c.differs ?? []).map((what) => `  ${c.kind} ${c.name}: ${what}`)),
];

/** Applies the project and pushes its local data; says what happened. */
export async function applyAll(
  use: Pick<Use, 'client' | 'terminal'>,
  local: LocalProject,
  options: { data: boolean; baseRevision?: number },
): Promise<Applied> {
  const client = use.client();
  const applied = await applyLocal(client, use.terminal, local, options.baseRevision);
  const { project } = applied.revision;
  if (applied.created) use.terminal.say(`${project} is at revision ${applied.revision.number}`);
  if (options.data) {
    for (const { name, source } of Object.values(local.definition.datasets).filter((d) => d.source.length > 0)) {
      const files = await filesUnder(local.folder, source);
      if (files.length === 0) continue;
      const { created, version } = await pushDataset(client, use.terminal, project, name, files);
      if (created) use.terminal.say(`${name} is at version ${version.number} with ${count(version.rows)} rows`);
    }
    await client.post(path`/projects/${project}/datasets/refresh`);
  }
  return applied;
}

export function projectCommands(program: Program, root: Command): void {
  root
    .command('init')
    .description('begin a project: a gyre.yaml with a dataset, a pipeline and a training script to change')
    .argument('[folder]', 'where', '.')
    .action(async (folder: string) => {
      const target = resolve(folder);
      const files = starter(projectNameFor(basename(target)));
      const taken = Object.keys(files).filter((name) => existsSync(join(target, name)));
      if (taken.length > 0) fail('project-begun', { folder: target, files: taken });
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(join(target, name, '..'), { recursive: true });
        writeFileSync(join(target, name), text);
        program.terminal.say(`wrote ${join(folder, name)}`);
      }
      program.terminal.say('Next: "gyre up" in one terminal, then "gyre apply" and "gyre run train" in this folder.');
      program.exit(exitCodes.ok);
    });

  act(program, root.command('plan').description('what applying gyre.yaml would change'), async (use) => {
    const local = await use.local();
    const plan = await use.client().post<Plan>('/projects/plan', { text: local.text });
    use.print(plan, () =>
      plan.changes.length === 0 ? [`${plan.project}: nothing would change over revision ${plan.baseRevision}`] : changeLines(plan.changes),
    );
  });

  act<[], { data: boolean; base?: string }>(
    program,
    root
      .command('apply')
      .description('make gyre.yaml, its code and its local data the current revision')
      .option('--no-data', 'do not push the files that "source:" names')
      .option('--base <number>', 'the revision that the plan saw; refused if another came in between'),
    async (use) => {
      const applied = await applyAll(use, await use.local(), {
        data: use.options.data,
        ...(use.options.base === undefined ? {} : { baseRevision: Number(use.options.base) }),
      });
      use.print(applied, () =>
        applied.created
          ? changeLines(applied.changes)
          : [`${applied.revision.project}: nothing changed, still revision ${applied.revision.number}`],
      );
    },
  );

  const timeline = root.command('timeline').description('event time of the project');
  act(program, timeline.command('show').description('event time now, and whether it is live or a replay'), async (use) => {
    const state = await use.client().get<{ mode: string; now: string }>(path`/projects/${await use.project()}/timeline`);
    use.print(state, () => [`${state.now} (${state.mode})`]);
  });
  act<[string]>(
    program,
    timeline
      .command('advance')
      .description('move a replay forward; answers when everything due by then is done')
      .argument('<to>', 'a date or a moment, UTC'),
    async (use, to) => {
      const state = await use
        .client()
        .post<{ now: string; records: number }>(path`/projects/${await use.project()}/timeline/advance`, { to: moment(to) });
      use.print(state, () => [`${state.now}, ${count(state.records)} inference records shipped`]);
    },
  );
}
