// gyre run -- COMMAND: the form of "gyre run" that needs no project.
import type { Command } from 'commander';
import type { Use } from '../command.ts';
import type { TrackOptions } from '../../track/track.ts';

const several = (value: string, before: readonly string[] = []): string[] => [...before, value];

export const trackHelp = `
Without a project, a command after "--" becomes a tracked run:

  gyre run -- python train.py --rate 0.1
  gyre run --experiment churn --name try-7 --tag data=may --output models -- python train.py

mlflow.start_run() in the script resumes that run. Its exit code is the command's.`;

/** Adds the options of the form with a command to "gyre run". */
export const trackOptions = (run: Command): Command =>
  run
    .optionsGroup('With a command after "--":')
    .option('--experiment <name>', 'the experiment; otherwise the script’s or the folder’s')
    .option('--name <text>', 'the name of the run')
    .option('--tag <key=value>', 'a tag of the run; may be repeated', several)
    .option('--output <path>', 'what is written there is kept; may be repeated', several)
    .option('--input-root <path>', 'files read there count as inputs; may be repeated', several)
    .option('--env <name>', 'a variable to write down; may be repeated', several)
    .option('--no-inputs', 'do not look which files are read')
    .option('--start', 'start a server for this command if none answers')
    .option('--quiet', 'say nothing besides the command')
    .optionsGroup('For both:');

const OF_COMMANDS = ['experiment', 'name', 'tag', 'output', 'inputRoot', 'env', 'inputs', 'start', 'quiet'];
const OF_PIPELINES = ['param', 'cache', 'apply', 'data', 'detach', 'reason', 'file', 'project'];

export interface Form {
  /** What stands before "--". */
  readonly before: readonly string[];
  /** The words after it; undefined where there is none. */
  readonly words: readonly string[] | undefined;
}

/** Which form a command line has: Commander itself takes "--" away. */
export function formOf(run: Command): Form {
  let root = run;
  while (root.parent) root = root.parent;
  const { rawArgs } = root as Command & { rawArgs: string[] };
  const at = rawArgs.indexOf('--');
  const words = rawArgs.slice(at + 1);
  const before = run.args.slice(0, Math.max(0, run.args.length - words.length));
  // Where "--" was the value of an option, what follows it are no operands.
  const isForm = at >= 0 && words.every((word, i) => run.args[before.length + i] === word);
  return isForm ? { before, words } : { before: run.args, words: undefined };
}

/** Ends with a message unless the command line has exactly one of the two forms. */
export function checkForm(run: Command, { before, words }: Form): void {
  const pipeline = before[0];
  const given = (names: readonly string[]): string | undefined => {
    const name = names.find((n) => run.getOptionValueSource(n) === 'cli');
    return run.options.find((o) => o.attributeName() === name)?.long;
  };
  if (words === undefined) {
    if (pipeline === undefined) run.error('error: name a pipeline of gyre.yaml, or a command after "--": gyre run -- python train.py');
    if (before.length > 1) run.error(`error: one pipeline is run at a time. To track a command, write: gyre run -- ${before.join(' ')}`);
    const foreign = given(OF_COMMANDS);
    if (foreign) run.error(`error: ${foreign} belongs to a command after "--", and there is none`);
    return;
  }
  if (words.length === 0) run.error('error: there is no command after "--"');
  if (pipeline !== undefined)
    run.error(`error: "${pipeline}" stands before "--" and a command after it; give either a pipeline or a command`);
  const foreign = given(OF_PIPELINES);
  if (foreign) run.error(`error: ${foreign} belongs to a pipeline; a command after "--" has none`);
}

export async function trackCommand(use: Use<TrackOptions>, words: readonly string[]): Promise<number> {
  const { track } = await import('../../track/track.ts');
  return track(use, words);
}
