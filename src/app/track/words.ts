// The words after "--": which program they start, which script, which files they name.
import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { basename, delimiter, join, resolve } from 'node:path';
import { defineErrors } from '../../kernel/errors.ts';

const { fail } = defineErrors({
  'command-not-found': {
    status: 404,
    title: 'There is no such command',
    detail: (p: { command: string }) => `There is no command "${p.command}", neither on PATH nor as a file. No run was made.`,
  },
  'command-not-executable': {
    status: 400,
    title: 'A file cannot be run',
    detail: (p: { command: string }) =>
      `${p.command} cannot be run: it is a folder or not marked as executable. Start it by its interpreter, or mark it with "chmod +x". No run was made.`,
  },
});

/** The file that a command starts, as a shell would find it. Raises `command-not-found`, `command-not-executable`. */
export function programOf(command: string, cwd: string, path: string): string {
  const candidates = command.includes('/')
    ? [resolve(cwd, command)]
    : path.split(delimiter).map((dir) => join(resolve(cwd, dir || '.'), command));
  const files = candidates.filter((file) => existsSync(file));
  const found = files.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
  if (found !== undefined) return found;
  return files.length > 0 ? fail('command-not-executable', { command }) : fail('command-not-found', { command });
}

const SCRIPT = /\.(py|ipynb|r|jl|sh|bash|js|ts|mjs|rb|pl|lua)$/i;

/** The script among the words, as it was written; else the program itself. */
export function sourceOf(words: readonly string[], cwd: string): { readonly name: string; readonly script: string | null } {
  const script = words.find((word) => SCRIPT.test(word) && existsSync(resolve(cwd, word)));
  if (script !== undefined) return { name: script, script: resolve(cwd, script) };
  const module = words.indexOf('-m');
  if (module > 0 && words[module + 1] !== undefined) return { name: `-m ${words[module + 1]}`, script: null };
  return { name: words[0]!, script: null };
}

/** Files and folders that the words name; what is read there counts as input, wherever it lies. */
export function namedPaths(words: readonly string[], cwd: string): string[] {
  const named = words.slice(1).flatMap((word) => {
    const value = word.startsWith('-') ? word.slice(word.indexOf('=') + 1) : word;
    if (value.startsWith('-') || !value.includes('/') || value.includes('\0')) return [];
    const path = resolve(cwd, value);
    // The whole machine is no input.
    return existsSync(path) && path !== '/' ? [path, realpathSync(path)] : [];
  });
  return [...new Set(named)];
}

/** Words as a shell reads them back. */
export const quoted = (words: readonly string[]): string =>
  words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ');

/** The experiment that a script sets by a literal name: its runs must go there, or MLflow refuses to resume ours. */
export function experimentIn(script: string): string | undefined {
  const names = [...script.matchAll(/^[^#\n]*\bset_experiment\(\s*(?:experiment_name\s*=\s*)?(["'])((?:(?!\1)[^\\\n])+)\1\s*[,)]/gm)];
  return names.at(-1)?.[2];
}

/** Whether a script sets an experiment whose name only it knows. */
export const computesExperiment = (script: string): boolean =>
  experimentIn(script) === undefined && /^[^#\n]*\bset_experiment\(/m.test(script);

/** A name for an experiment that nobody named: that of the folder. */
export const experimentOf = (cwd: string): string => basename(cwd) || 'Default';
