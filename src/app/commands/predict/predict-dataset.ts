// gyre predict --dataset: a whole dataset version through a model, as a run on the server.
import { setTimeout as delay } from 'node:timers/promises';
import { InvalidArgumentError, type Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { exitCodes } from '../../../kernel/cli/exit-codes.ts';
import { moment, type Program, type Use } from '../command.ts';
import { stepLine, type RunView } from '../runs.ts';

export interface PredictDatasetOptions {
  readonly dataset?: string;
  readonly model?: string;
  readonly into?: string;
  readonly column?: readonly string[];
  readonly features?: string;
  readonly endpoint?: string;
  readonly at?: string;
  readonly where?: string;
  readonly from?: string;
  readonly to?: string;
  readonly monitor?: string;
  readonly purpose?: string;
  readonly cache?: boolean;
  readonly detach?: true;
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export const predictDatasetOptions = (command: Command): Command =>
  command
    .optionsGroup('A whole dataset:')
    .option('--dataset <name[@version]>', 'score the rows of this dataset; otherwise its current version')
    .option('--model <name[@version|:alias]>', 'with this model; otherwise its champion')
    .option('--into <dataset>', 'the dataset that gets a new version with the scores; made if there is none')
    .option('--column <name>', 'a column to keep beside key and score; may be repeated', collect)
    .option('--where <sql>', 'only rows for which this holds')
    .option('--from <moment>', 'only rows of this moment or later; with --to')
    .option('--to <moment>', 'only rows before this moment')
    .option('--at <sql>', 'the moment of a row; otherwise its "occurred_at"')
    .option('--features <service>', 'look these features up as of each row’s moment; otherwise those of the model’s endpoint')
    .option('--endpoint <name>', 'whose "missing:" rules hold; otherwise that of the model')
    .option('--monitor <name>', 'send the scored rows to this monitor as predictions')
    .option('--purpose <name>', 'what for, where the dataset limits it')
    .option('--no-cache', 'score again, though nothing has changed')
    .option('--detach', 'start it and return at once');

/** "late-arrival@3", "late-arrival:champion", "flights". */
export function versioned(text: string, mark: RegExp): { name: string; version?: string } {
  const found = mark.exec(text);
  return found ? { name: text.slice(0, found.index), version: text.slice(found.index + 1).replace(/^:/, '') } : { name: text };
}

/** Starts the run, shows how far it is, and says what it made. */
export async function predictDataset(program: Program, use: Use<PredictDatasetOptions>, command: Command): Promise<number> {
  const { options, terminal } = use;
  const lacking = (['dataset', 'model', 'into'] as const).filter((name) => options[name] === undefined);
  if (lacking.length > 0)
    command.error(
      `error: scoring a dataset takes --dataset, --model and --into; ${lacking.map((n) => `--${n}`).join(' and ')} ${lacking.length > 1 ? 'are' : 'is'} missing`,
    );
  if ((options.from === undefined) !== (options.to === undefined)) throw new InvalidArgumentError('--from and --to go together');
  const rows = versioned(options.dataset!, /@/);
  const model = versioned(options.model!, /[@:]/);
  const client = use.client();
  const started = await client.post<RunView>(path`/projects/${await use.project()}/predictions`, {
    dataset: rows.name,
    ...(rows.version ? { datasetVersion: rows.version } : {}),
    model: model.name,
    ...(model.version ? { modelVersion: model.version } : {}),
    into: options.into!,
    ...(options.column ? { columns: options.column } : {}),
    ...pick(options, ['features', 'endpoint', 'at', 'where', 'monitor', 'purpose']),
    ...(options.from !== undefined ? { between: [moment(options.from), moment(options.to!)] } : {}),
    ...(options.cache === false ? { noCache: true } : {}),
  });
  if (options.detach) {
    use.print(started, () => [started.id]);
    return exitCodes.ok;
  }
  process.once('SIGINT', () => {
    terminal.say(`\nThe run goes on. Look at it with "gyre logs ${started.id} scores", end it with "gyre cancel ${started.id}".`);
    program.exit(exitCodes.interrupted);
  });
  for (let from = 0, ended = false; !ended;) {
    const part = await client.get<{ text: string; next: number; ended: boolean }>(
      `${path`/runs/${started.id}/steps/scores/log`}?from=${from}&wait=5`,
    );
    for (const line of part.text.split('\n').filter(Boolean)) terminal.say(line);
    [from, ended] = [part.next, part.ended];
  }
  for (;;) {
    const run = await client.get<RunView>(path`/runs/${started.id}`);
    if (run.state === 'running') {
      await delay(50);
      continue;
    }
    const [step] = run.steps;
    const { table, version } = step?.outputs ?? {};
    use.print(run, () =>
      run.state === 'succeeded'
        ? [
            `${table?.rows} rows of scores in ${options.into} (${version?.id})${step?.cached ? ', as scored before: nothing has changed' : ''}`,
          ]
        : [`${run.pipeline} run ${run.number} ${run.state} (${run.id})`],
    );
    if (run.state === 'succeeded') return exitCodes.ok;
    if (step) terminal.say(stepLine(step));
    for (const fault of step?.error?.errors ?? []) terminal.say(`  ${fault.pointer}: ${fault.detail}`);
    return exitCodes.failed;
  }
}

const pick = <O extends object, K extends keyof O>(of: O, names: readonly K[]): Partial<Pick<O, K>> =>
  Object.fromEntries(names.flatMap((n) => (of[n] === undefined ? [] : [[n, of[n]]]))) as Partial<Pick<O, K>>;
