// gyre run, runs, logs, cancel, shell: pipelines from the terminal.
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { path, type Client } from '../../kernel/cli/client.ts';
import { exitCodes } from '../../kernel/cli/exit-codes.ts';
import { duration, table, type Terminal } from '../../kernel/cli/terminal.ts';
import { act, assignments, type Program, type Use } from './command.ts';
import { limited, newest, type Limited } from './newest.ts';
import { applyAll } from './project.ts';
import { checkForm, formOf, trackCommand, trackHelp, trackOptions } from './tracking/track.ts';
import type { TrackOptions } from '../track/track.ts';

export interface StepView {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly cached: boolean;
  readonly wallMs: number | null;
  readonly trackingRun: string | null;
  readonly outputs: Readonly<Record<string, { readonly kind: string; readonly id?: string; readonly rows?: number }>> | null;
  readonly explanation:
    | readonly {
        readonly part: string;
        readonly name: string;
        readonly change: string;
        readonly before: string | null;
        readonly after: string | null;
      }[]
    | null;
  readonly error: {
    readonly title?: string;
    readonly detail?: string;
    readonly errors?: readonly { pointer: string; detail: string }[];
  } | null;
}
export interface RunView {
  readonly id: string;
  readonly pipeline: string;
  readonly number: number;
  readonly state: string;
  readonly wallMs: number | null;
  readonly createdAt: string;
  readonly steps: readonly StepView[];
}

/** Follows a run to its end; `onStep` hears of every step that moves. */
export async function followRun(client: Client, id: string, onStep: (step: StepView) => void): Promise<RunView> {
  const seen = new Map<string, string>();
  for (let wait = 20; ; wait = Math.min(wait * 1.5, 250)) {
    const run = await client.get<RunView>(path`/runs/${id}`);
    for (const step of run.steps) {
      if (seen.get(step.name) === step.state || step.state === 'waiting') continue;
      seen.set(step.name, step.state);
      onStep(step);
    }
    if (run.state !== 'running') return run;
    await delay(wait);
  }
}

/** One line for a step: what it did, how long it took, why it had to. */
export function stepLine(s: StepView): string {
  const time = s.wallMs === null ? '' : `  ${duration(s.wallMs)}`;
  if (s.cached) return `  ${s.name}: from the cache`;
  if (s.state === 'running') return `  ${s.name}: running (${whyMissed(s)})`;
  return `  ${s.name}: ${s.state}${time}${s.error ? `: ${s.error.detail ?? s.error.title}` : ''}`;
}

/** Why a step was not taken from the cache, in words. */
export function whyMissed({ explanation }: StepView): string {
  if (!explanation || explanation.length === 0) return 'the cache holds no result of it';
  const named = explanation
    .slice(0, 4)
    .map((d) => (d.part === 'history' ? d.name : `${d.part} ${d.name === d.part ? '' : `${d.name} `}${d.change}`));
  return named.join(', ') + (explanation.length > 4 ? ` and ${explanation.length - 4} more` : '');
}

async function printLog(client: Client, terminal: Terminal, run: string, step: string, follow: boolean): Promise<void> {
  let rest = '';
  for (let from = 0; ;) {
    const page = await client.get<{ text: string; next: number; ended: boolean }>(`${path`/runs/${run}/steps/${step}/log`}?from=${from}`);
    from = page.next;
    const lines = (rest + page.text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) terminal.out(line);
    if (page.text === '' && (page.ended || !follow)) break;
    if (page.text === '') await delay(200);
  }
  if (rest !== '') terminal.out(rest);
}

/** Follows a run to its end and says how it went; Ctrl-C leaves it running. */
async function report(program: Program, use: Pick<Use, 'client' | 'terminal' | 'print'>, started: RunView): Promise<number> {
  const { terminal } = use;
  process.once('SIGINT', () => {
    terminal.say(`\nThe run goes on. Follow it with "gyre logs ${started.id}", end it with "gyre cancel ${started.id}".`);
    program.exit(exitCodes.interrupted);
  });
  const run = await followRun(use.client(), started.id, (step) => terminal.say(stepLine(step)));
  use.print(run, () => [`${run.pipeline} run ${run.number} ${run.state} in ${duration(run.wallMs ?? 0)} (${run.id})`]);
  for (const fault of run.steps.flatMap((s) => s.error?.errors ?? [])) terminal.say(`  ${fault.pointer}: ${fault.detail}`);
  const broken = run.steps.find((s) => s.state === 'failed');
  if (broken)
    terminal.say(
      `See "gyre logs ${run.id} ${broken.name}", or open its folder with "gyre shell ${run.id} ${broken.name}"; then "gyre resume ${run.id}".`,
    );
  return run.state === 'succeeded' ? exitCodes.ok : exitCodes.failed;
}

export function runCommands(program: Program, root: Command): void {
  const run = root.command('run');
  act<[], TrackOptions & { param?: string[]; cache: boolean; apply: boolean; data: boolean; detach?: true; reason?: string }>(
    program,
    trackOptions(
      run
        .description('run a pipeline and follow it to its end, or track a command')
        .usage('[options] <pipeline>\n       gyre run [options] -- <command...>')
        .argument('[pipeline]', 'its name in gyre.yaml')
        .argument('[command...]', 'after "--": a command to run and to track')
        .addHelpText('after', trackHelp)
        .optionsGroup('With a pipeline:')
        .option('-p, --param <name=value>', 'a parameter of the pipeline; may be repeated', (value, before: string[] = []) => [
          ...before,
          value,
        ])
        .option('--no-cache', 'run every step, whatever the cache holds')
        .option('--no-apply', 'run the current revision of the server, not the project here')
        .option('--no-data', 'do not push the files that "source:" names')
        .option('--detach', 'start it and return at once')
        .option('--reason <text>', 'why, for the record'),
    ),
    async (use) => {
      const { terminal, options } = use;
      const form = formOf(run);
      checkForm(run, form);
      if (form.words) return trackCommand(use, form.words);
      const pipeline = form.before[0]!;
      const params = assignments(options.param ?? []);
      const applied =
        options.apply && options.project === undefined ? await applyAll(use, await use.local(), { data: options.data }) : undefined;
      const client = use.client();
      const started = await client.post<RunView>(path`/projects/${await use.project()}/pipelines/${pipeline}/runs`, {
        params,
        // What was applied here: somebody else may have applied another one since.
        ...(applied ? { revision: applied.revision.number } : {}),
        noCache: !options.cache,
        ...(options.reason ? { reason: options.reason } : {}),
      });
      terminal.say(`${pipeline} run ${started.number} (${started.id})`);
      if (options.detach) {
        use.print(started, () => [started.id]);
        return exitCodes.ok;
      }
      return report(program, use, started);
    },
  );

  act<[], Limited>(program, limited(root.command('runs').description('runs of the project, newest first')), async (use) => {
    const items = await newest<RunView>(use, path`/projects/${await use.project()}/runs`, use.options.limit);
    use.print(items, () =>
      table(items, [
        { title: 'RUN', value: (r) => `${r.pipeline} ${r.number}` },
        { title: 'STATE', value: (r) => r.state },
        { title: 'TOOK', value: (r) => (r.wallMs === null ? null : duration(r.wallMs)), right: true },
        { title: 'STARTED', value: (r) => r.createdAt },
        { title: 'ID', value: (r) => r.id },
      ]),
    );
  });

  act<[string, string | undefined], { follow?: true }>(
    program,
    root
      .command('logs')
      .description('what the steps of a run wrote')
      .argument('<run>', 'a run’s id, as "gyre runs" lists it')
      .argument('[step]', 'otherwise every step')
      .option('--follow', 'go on until the step has ended'),
    async (use, id, step) => {
      const run = await use.client().get<RunView>(path`/runs/${id}`);
      const steps = step === undefined ? run.steps.filter((s) => s.kind === 'run').map((s) => s.name) : [step];
      for (const name of steps) {
        if (steps.length > 1) use.terminal.say(`--- ${name}`);
        await printLog(use.client(), use.terminal, id, name, use.options.follow === true);
      }
    },
  );

  act<[string]>(
    program,
    root
      .command('resume')
      .description('go on with a run that failed or was cancelled; what succeeded is not run again')
      .argument('<run>', 'a run’s id, as "gyre runs" lists it'),
    async (use, id) => report(program, use, await use.client().post<RunView>(path`/runs/${id}/resume`)),
  );

  act<[string]>(
    program,
    root.command('cancel').description('cancel a run and end its processes').argument('<run>', 'a run’s id, as "gyre runs" lists it'),
    async (use, id) => {
      await use.client().post(path`/runs/${id}/cancel`);
      use.print({ id, state: 'cancelled' }, () => [`${id} is cancelled`]);
    },
  );

  act<[string, string]>(
    program,
    root
      .command('shell')
      .description('open a shell in the exact folder, inputs and environment of a step')
      .argument('<run>', 'a run’s id, as "gyre runs" lists it')
      .argument('<step>', 'its name in gyre.yaml'),
    async (use, id, step) => {
      const staged = await use
        .client()
        .post<{ dir: string; bin: string | null; command: string; variables: Record<string, string> }>(
          path`/runs/${id}/steps/${step}/stage`,
        );
      use.terminal.say(`${staged.dir}\nThe step runs: ${staged.command}`);
      if (use.options.json) {
        use.print(staged, () => []);
        return exitCodes.ok;
      }
      const shell = spawn(process.env.SHELL ?? '/bin/sh', [], {
        cwd: staged.dir,
        stdio: 'inherit',
        env: {
          HOME: process.env.HOME,
          TERM: process.env.TERM,
          LANG: process.env.LANG,
          ...staged.variables,
          PATH: `${staged.bin ? `${staged.bin}:` : ''}${process.env.PATH}`,
        },
      });
      return new Promise<number>((resolve) => shell.once('exit', (code) => resolve(code ?? exitCodes.failed)));
    },
  );
}
