import type { Command } from 'commander';
import { buildProgram } from '../../src/app/cli.ts';
import { exitCodes } from '../../src/kernel/cli/exit-codes.ts';
import { cell, code, markdownTable, note } from './markdown.ts';

const silent = { out: () => undefined, say: () => undefined, draw: () => undefined, interactive: false, columns: 80 };
const SHARED = ['--json', '--url', '--workspace', '--file', '--project'];

/** docs/reference/cli.md: from the very program that parses the command line. */
export function cliPage(): string {
  const root = buildProgram({ terminal: silent, exit: () => undefined });
  const leaves = root.commands.flatMap((command) => allOf(command, 'gyre')).filter(([, command]) => command.name() !== 'help');
  const shared = leaves[0]![1].options.filter((option) => SHARED.includes(option.long ?? ''));
  return `${note('the program itself')}
# Command line

Data goes to stdout, messages and progress bars to stderr. Everything but \`gyre up\` is a client of the public API.

## Options of every command

${optionTable(shared)}

## Exit codes

${markdownTable(
  ['code', 'name'],
  Object.entries(exitCodes).map(([name, value]) => [String(value), name]),
)}

${leaves.map(([path, command]) => section(path, command)).join('\n')}`;
}

const allOf = (command: Command, parent: string): [string, Command][] => {
  const path = `${parent} ${command.name()}`;
  // A group may do something by itself, too.
  const acts = command.commands.length === 0 || command.options.some((option) => option.long === '--json');
  return [...(acts ? [[path, command] as [string, Command]] : []), ...command.commands.flatMap((child) => allOf(child, path))];
};

function section(path: string, command: Command): string {
  const args = command.registeredArguments.map((argument) => [code(argument.name()), cell(argument.description)]);
  const own = command.options.filter((option) => !SHARED.includes(option.long ?? '') && !option.hidden);
  return [
    `## ${path}\n`,
    `${cell(command.description())}\n`,
    `\`\`\`sh\n${path} ${command.usage()}\n\`\`\`\n`,
    ...(args.some(([, words]) => words !== '') ? [`${markdownTable(['argument', 'meaning'], args)}\n`] : []),
    ...(own.length > 0 ? [`${optionTable(own)}\n`] : []),
  ].join('\n');
}

const optionTable = (options: readonly { flags: string; description: string; defaultValue?: unknown }[]): string =>
  markdownTable(
    ['option', 'meaning'],
    options.map((option) => [
      code(option.flags),
      cell(option.description) +
        (option.defaultValue === undefined || typeof option.defaultValue === 'boolean' ? '' : ` (default ${String(option.defaultValue)})`),
    ]),
  );
