// How a command line is run: what a problem says, and the code with which it ends.
import { Command, CommanderError } from 'commander';
import { exitCodeOf, exitCodes } from '../../kernel/cli/exit-codes.ts';
import { processTerminal, type Terminal } from '../../kernel/cli/terminal.ts';
import { defineErrors, isProblem, type Problem } from '../../kernel/errors.ts';
import type { Program } from './command.ts';
import { programVersion } from '../version.ts';

const closing = `
Data goes to stdout (--json everywhere), messages and progress to stderr.
Exit codes: 0 done; 1 tried and did not succeed; 2 wrong command line; 3 input refused; 4 not found;
5 conflict; 6 not allowed; 7 no server answers; 8 the server failed; 130 ended by Ctrl-C.

A first round:  gyre up  |  gyre init my-project && cd my-project && gyre run train`;

const FILE_FAULTS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'it may not be read or written',
  EPERM: 'it may not be read or written',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is not a folder',
  EROFS: 'its disk is read-only',
  ENOSPC: 'its disk is full',
};

const { fail } = defineErrors({
  'file-unusable': {
    status: 400,
    title: 'A file cannot be used',
    detail: (p: { path: string; why: string }) => `${p.path} cannot be used: ${p.why}.`,
  },
});

/** The program without its commands. */
export const rootCommand = (): Command =>
  new Command('gyre')
    .description('From raw data to a model in production that stays good.')
    .version(programVersion, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showSuggestionAfterError(true)
    // What follows the name of a command is that command's.
    .enablePositionalOptions()
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .addHelpText('after', closing);

// Commander would end the process by itself and write past the terminal that it is given.
function finished(root: Command, terminal: Terminal): Command {
  quieten(root, terminal);
  return root;
}

function quieten(command: Command, terminal: Terminal): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => terminal.out(text.trimEnd()),
    writeErr: (text) => terminal.say(text.trimEnd()),
    outputError: (text, write) => write(`${text.trimEnd()}\nSee "gyre ${pathOf(command)}--help".`),
  });
  for (const child of command.commands) quieten(child, terminal);
}

const pathOf = (command: Command): string => (command.parent ? `${pathOf(command.parent)}${command.name()} ` : '');

/** A problem in lines: what, each place, and its code. */
export function problemLines(problem: Problem): string[] {
  return [problem.message, ...problem.faults.map((f) => `  ${f.pointer}: ${f.detail}`), `(${problem.code})`];
}

// A file that a command was told to read or write, and cannot.
function asProblem(error: unknown): unknown {
  const { code, path } = error instanceof Error ? (error as { code?: string; path?: string }) : {};
  const why = code === undefined ? undefined : FILE_FAULTS[code];
  if (why === undefined || path === undefined) return error;
  try {
    return fail('file-unusable', { path, why });
  } catch (problem) {
    return problem;
  }
}

/** Runs one command line and answers its exit code. Never throws. */
export async function runCommandLine(
  build: (program: Program) => Command,
  args: readonly string[],
  terminal: Terminal = processTerminal(),
): Promise<number> {
  if (args.length === 0) return runCommandLine(build, ['--help'], terminal);
  const { promise: ended, resolve: exit } = Promise.withResolvers<number>();
  try {
    const action = finished(build({ terminal, exit }), terminal).parseAsync([...args], { from: 'user' });
    // Ctrl-C may end the command while its action still waits for something.
    return await Promise.race([ended, action.then(() => ended)]);
  } catch (thrown) {
    const error = asProblem(thrown);
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (!isProblem(error)) {
      terminal.say(`This is a defect of Gyre, not of yours: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      return exitCodes.server;
    }
    if (args.includes('--json'))
      terminal.out(
        JSON.stringify(
          { error: { code: error.code, status: error.status, title: error.title, detail: error.message, errors: error.faults } },
          null,
          2,
        ),
      );
    for (const line of problemLines(error)) terminal.say(line);
    return exitCodeOf(error);
  }
}
