// gyre document, ci, report delivery, datasets card: what the records say, in Markdown.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { exitCodes } from '../../../kernel/cli/exit-codes.ts';
import { defineErrors } from '../../../kernel/errors.ts';
import { pipelineFile, type Forge } from '../../ci-templates.ts';
import { programVersion } from '../../version.ts';
import { act, assignments, moment, type Program, type Use } from '../command.ts';

const { fail } = defineErrors({
  'ci-file-exists': {
    status: 409,
    title: 'There is a pipeline file already',
    detail: (p: { file: string }) => `${p.file} is there already and is left as it is. Give --force to write it anew.`,
  },
  'ci-parameter-unknown': {
    status: 400,
    title: 'The pipeline has no such parameter',
    detail: (p: { pipeline: string; parameter: string }) =>
      `Pipeline "${p.pipeline}" declares no parameter "${p.parameter}" in gyre.yaml; what the sample is set by must be declared there.`,
  },
  'ci-pipeline-unclear': {
    status: 400,
    title: 'It is not clear which pipeline is meant',
    detail: (p: { why: string }) => `${p.why} Name one with --pipeline.`,
  },
});

interface Written {
  readonly output?: string;
}

/** Prints a document, or writes it to the file that was named. */
function put(use: Pick<Use<Written>, 'options' | 'print'>, text: string): void {
  const { output } = use.options;
  if (output === undefined) return use.print({ text }, () => [text.trimEnd()]);
  writeFileSync(output, text);
  use.print({ file: output }, () => [output]);
}

async function show(use: Use<Written>, route: string): Promise<void> {
  if (use.options.json) return use.print(await use.client().get(`${route}${route.includes('?') ? '&' : '?'}format=json`), () => []);
  put(use, await use.client().text('GET', route));
}

export interface PullRequestOptions {
  readonly markdown?: true;
  readonly model?: string;
  readonly candidate?: string;
  readonly run?: string;
  readonly against?: string;
  readonly decide?: true;
  readonly failOnGate?: true;
  readonly link?: string;
}

export const pullRequestOptions = (command: Command): Command =>
  command
    .option('--markdown', 'instead: a model version beside the champion, as a pull request needs it')
    .option('--model <name>', 'with --markdown: which model; otherwise that of the run or of the first endpoint')
    .option('--candidate <version>', 'with --markdown: number, alias or latest')
    .option('--run <id>', 'with --markdown: the version that this run registered')
    .option('--against <version>', 'with --markdown: number or alias; otherwise the champion')
    .option('--decide', 'with --markdown: judge the gates first, if no decision holds')
    .option('--fail-on-gate', 'with --markdown: exit with 1 if the gates have not been passed')
    .option('--link <address>', 'with --markdown: the server’s address as readers reach it, for links');

interface Compared {
  readonly candidate: { readonly model: string; readonly number: number };
  readonly gate: { readonly outcome: string; readonly reason: string } | null;
  readonly gateHolds: boolean;
  readonly passes: boolean;
  readonly markdown: string;
}

/** gyre report --markdown. `output`: undefined = to the terminal. */
export async function pullRequestReport(use: Use<PullRequestOptions>, output: string | undefined): Promise<number> {
  const { model, candidate, run, against, link } = use.options;
  const route = path`/projects/${await use.project()}/comparison`;
  const asked = {
    format: 'json',
    ...(model === undefined ? {} : { model }),
    ...(candidate === undefined ? {} : { version: candidate }),
    ...(run === undefined ? {} : { run }),
    ...(against === undefined ? {} : { against }),
    ...(link === undefined ? {} : { link }),
  };
  let found = await use.client().post<Compared>(route, asked);
  if (use.options.decide && !(found.gate !== null && found.gateHolds)) {
    const { candidate: of } = found;
    await use.client().post(path`/models/${of.model}/versions/${of.number}/decide`);
    found = await use.client().post<Compared>(route, asked);
  }
  const { markdown, ...data } = found;
  if (output !== undefined) {
    writeFileSync(output, markdown);
    use.print(data, () => [output]);
  } else use.print(data, () => [markdown.trimEnd()]);
  if (!use.options.failOnGate || found.passes) return exitCodes.ok;
  const { gate } = found;
  use.terminal.say(
    gate === null
      ? 'The gates have not been judged; give --decide to judge them.'
      : gate.outcome === 'failed'
        ? `The gates were not passed: ${gate.reason}`
        : 'The decision no longer holds: gates, evaluation or champion have changed since. Give --decide to judge again.',
  );
  return exitCodes.failed;
}

const outputOption = (command: Command): Command => command.option('-o, --output <file>', 'write it there');

export function documentCommands(program: Program, root: Command): void {
  const document = root
    .command('document')
    .description('documents made from the records alone, in Markdown; with --json their statements as data');
  act<[string], Written>(
    program,
    outputOption(
      document
        .command('pipeline')
        .description('what a pipeline is for, reads, does and makes, and how its runs went')
        .argument('<name>', 'its name in gyre.yaml'),
    ),
    async (use, name) => show(use, path`/projects/${await use.project()}/pipelines/${name}/document`),
  );
  act<[], Written>(
    program,
    outputOption(
      document.command('system').description('what there is, what is served since when, monitors, alerts, retraining, freezes, erasures'),
    ),
    async (use) => show(use, path`/projects/${await use.project()}/overview`),
  );
  act<[string], Written>(
    program,
    outputOption(
      root.commands
        .find((c) => c.name() === 'datasets')!
        .command('card')
        .description('the card of a dataset version: origin, columns, contract, purposes, and what was made from it')
        .argument('<dataset>', 'its name in gyre.yaml, or name@number'),
    ),
    async (use, dataset) => {
      const [, name = dataset, number] = /^(.*)@(\d+)$/.exec(dataset) ?? [];
      await show(use, `${path`/projects/${await use.project()}/datasets/${name}/card`}${number === undefined ? '' : `?version=${number}`}`);
    },
  );
  const report = root.commands.find((c) => c.name() === 'report')!.enablePositionalOptions();
  act<[], Written & { endpoint?: string; from?: string; to?: string }>(
    program,
    outputOption(
      report.command('delivery').description('deployment frequency, lead times, change fail rate, recovery and rework, from the events'),
    )
      .option('--endpoint <name>', 'only this one')
      .option('--from <moment>', 'event time; otherwise 90 days before')
      .option('--to <moment>', 'event time; otherwise now'),
    async (use) => {
      const { endpoint, from, to } = use.options;
      const query = new URLSearchParams({
        format: use.options.json ? 'json' : 'markdown',
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(from === undefined ? {} : { from: moment(from) }),
        ...(to === undefined ? {} : { to: moment(to) }),
      });
      const route = `${path`/projects/${await use.project()}/delivery`}?${query}`;
      if (use.options.json) return use.print(await use.client().get(route), () => []);
      put(use, await use.client().text('GET', route));
    },
  );
  ciCommands(program, root);
}

interface CiOptions {
  readonly pipeline?: string;
  readonly set?: string[];
  readonly test: string;
  readonly force?: true;
}

function ciCommands(program: Program, root: Command): void {
  const ci = root.command('ci').description('pipelines of a forge for this project');
  act<[string], CiOptions>(
    program,
    ci
      .command('init')
      .description('write a pipeline file that plans, tests, trains on a sample, judges and reports on each change')
      .argument('<forge>', 'github or gitlab')
      .option('--pipeline <name>', 'the pipeline that trains; otherwise the only one that registers a model')
      .option('--set <name=value>', 'a parameter that makes the training a sample; may be repeated', (value, before: string[] = []) => [
        ...before,
        value,
      ])
      .option('--test <command>', 'what runs the project’s tests', 'python3 -m pytest -q')
      .option('--force', 'write it also where one is'),
    async (use, forge) => {
      if (forge !== 'github' && forge !== 'gitlab') {
        use.terminal.say('The forge is github or gitlab.');
        return exitCodes.usage;
      }
      const { folder, definition } = await use.local();
      const training = Object.values(definition.pipelines).filter((p) => p.steps.some((s) => s.kind === 'register'));
      const name = use.options.pipeline ?? (training.length === 1 ? training[0]!.name : undefined);
      const pipeline =
        name === undefined
          ? fail('ci-pipeline-unclear', { why: `${training.length} pipelines register a model.` })
          : (definition.pipelines[name] ?? fail('ci-pipeline-unclear', { why: `There is no pipeline "${name}" in gyre.yaml.` }));
      const sample = assignments(use.options.set ?? []);
      for (const parameter of Object.keys(sample))
        if (!Object.hasOwn(pipeline.params, parameter)) fail('ci-parameter-unknown', { pipeline: pipeline.name, parameter });
      const named = new Set(pipeline.steps.flatMap((s) => (s.kind === 'run' && s.environment !== null ? [s.environment] : [])));
      const environments = [...named].map((n) => definition.environments[n]!);
      const { file, text } = pipelineFile(forge satisfies Forge, {
        pipeline: pipeline.name,
        sample,
        test: use.options.test,
        python: /\b(python\d?(\.\d+)?|pytest)\b/.test(use.options.test)
          ? {
              version: environments.map((e) => e.python).find((v) => v !== null) ?? '3.12',
              locks: environments
                .map((e) => e.lock)
                .filter((lock) => lock.endsWith('.txt') || (lock.endsWith('.lock') && !lock.endsWith('uv.lock'))),
            }
          : null,
        version: programVersion,
      });
      const target = join(folder, file);
      if (existsSync(target) && !use.options.force) fail('ci-file-exists', { file });
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text);
      use.print({ file }, () => [file]);
      return exitCodes.ok;
    },
  );
}
