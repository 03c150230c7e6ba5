// What every command is given, and how one is declared: options that all share, lazily opened client,
// problems turned into exit codes.
import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { processSettings, type Settings } from '../../kernel/config/settings.ts';
import { openClient, type Client } from '../../kernel/cli/client.ts';
import { findCredential } from '../../kernel/cli/credentials.ts';
import type { Terminal } from '../../kernel/cli/terminal.ts';
import { processesFile, type Processes } from '../processes.ts';
import { defineErrors } from '../../kernel/errors.ts';
import { findProject, projectName, type LocalProject } from './local-project.ts';

const { fail } = defineErrors({
  'parameter-form': {
    status: 400,
    title: 'A value is not written as name=value',
    detail: (p: { given: string }) => `"${p.given}" is not of the form name=value, for example: learning_rate=0.1`,
  },
});

export interface CommonOptions {
  readonly json?: true;
  readonly url?: string;
  readonly workspace?: string;
  readonly file?: string;
  readonly project?: string;
}

/** What a command works with. */
export interface Use<O = CommonOptions> {
  readonly options: O & CommonOptions;
  readonly terminal: Terminal;
  readonly settings: () => Settings;
  readonly client: () => Client;
  /** The project on this disk. Raises `project-file-missing`, `project-invalid`. */
  readonly local: () => Promise<LocalProject>;
  /** Its name, or the one named with --project. */
  readonly project: () => Promise<string>;
  /** Prints data: as JSON with --json, else by `text`. */
  readonly print: (data: unknown, text: () => readonly string[]) => void;
}

export type Action<A extends readonly unknown[], O> = (use: Use<O>, ...args: A) => Promise<number | undefined | void>;

export interface Program {
  readonly terminal: Terminal;
  /** Ends the command with this code once its output is written. */
  readonly exit: (code: number) => void;
}

/** Gives a command the options that all share, and its action. */
export function act<A extends readonly unknown[], O = object>(program: Program, command: Command, action: Action<A, O>): Command {
  return command
    .option('--json', 'print data as JSON')
    .option('--url <address>', 'the server to talk to (GYRE_URL)')
    .option('--workspace <name>', 'the workspace to work in (GYRE_WORKSPACE)')
    .option('-f, --file <path>', 'the project file; otherwise gyre.yaml here or in a folder above')
    .option('--project <name>', 'a project of the server, where no project file is at hand')
    .action(async (...received: unknown[]) => {
      const args = received.slice(0, -2) as unknown as A;
      const options = received.at(-2) as O & CommonOptions;
      program.exit((await action(useOf(program.terminal, options), ...args)) ?? 0);
    });
}

function useOf<O>(terminal: Terminal, options: O & CommonOptions): Use<O> {
  let settings: Settings | undefined;
  let client: Client | undefined;
  let local: Promise<LocalProject> | undefined;
  const use: Use<O> = {
    options,
    terminal,
    settings: () => (settings ??= processSettings({ ...(options.workspace ? { workspace: options.workspace } : {}) })),
    client: () => {
      const url = addressOf(use.settings(), options.url);
      return (client ??= openClient({ ...use.settings(), url, token: use.settings().token || (findCredential(url)?.token ?? '') }));
    },
    local: () => (local ??= findProject(options.file)),
    project: async () => options.project ?? projectName(options.file) ?? (await use.local()).definition.project,
    print: (data, text) => {
      if (options.json) terminal.out(JSON.stringify(data, null, 2));
      else for (const line of text()) terminal.out(line);
    },
  };
  return use;
}

/** --url, then GYRE_URL, then the server that runs in GYRE_DIR (or ./.gyre), then the default port. */
function addressOf(settings: Settings, given: string | undefined): string {
  if (given !== undefined) return given.replace(/\/$/, '');
  if (settings.url !== '') return settings.url;
  const file = processesFile(settings.dir);
  const running = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Processes).control?.url : undefined;
  return running || 'http://127.0.0.1:7400';
}

/** name=value arguments by their names. Raises `parameter-form`. */
export const assignments = (given: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf('=');
      return at > 0 ? [text.slice(0, at), text.slice(at + 1)] : fail('parameter-form', { given: text });
    }),
  );

/** A moment as people write it: a date, or a date with time; UTC where no zone is given. */
export const moment = (text: string): string =>
  /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : /[zZ]|[+-]\d{2}:\d{2}$/.test(text) ? text : `${text.replace(' ', 'T')}Z`;
