// What the documents say can be typed and followed: commands exist with their options, links lead somewhere.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { buildProgram } from '../src/app/cli.ts';

const repository = join(import.meta.dirname, '..');
const documents = globSync(['*.md', 'adr/*.md', 'docs/**/*.md', 'src/**/README.md', 'examples/**/*.md'], {
  cwd: repository,
  exclude: ['**/node_modules/**', 'docs/.vitepress/**'],
});

const silent = { out: () => undefined, say: () => undefined, draw: () => undefined, interactive: false, columns: 80 };

/** What is wrong with a command line, or undefined. */
function faultOf(line: string): string | undefined {
  // What follows "--" is another program's.
  const words = line
    .replace(/\s+#.*$/, '')
    .replace(/\s--\s.*$/, '')
    .match(/"[^"]*"|\S+/g)!
    .slice(1);
  let command: Command = buildProgram({ terminal: silent, exit: () => undefined });
  while (command.commands.length > 0 && words.length > 0 && !words[0]!.startsWith('-')) {
    const name = words.shift()!;
    const next = command.commands.find((child) => child.name() === name || child.aliases().includes(name));
    if (next) command = next;
    // A group that does something by itself takes arguments of its own.
    else if (command.options.some((option) => option.long === '--json')) break;
    else return `there is no "${name}"`;
  }
  const known = command.options.flatMap((option) => [option.long, option.short, option.negate ? option.long : undefined]);
  const unknown = words.filter((word) => /^--?[a-z]/.test(word)).find((word) => !known.includes(word.split('=')[0]!) && word !== '--help');
  return unknown ? `there is no option ${unknown}` : undefined;
}

/** The lines in code blocks that call gyre, without "npx". */
const commandsIn = (text: string): string[] =>
  [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .flatMap((block) => block[1]!.split('\n'))
    .map((line) => line.trim().replace(/^npx /, ''))
    .filter((line) => line.startsWith('gyre '));

test('every command in the documents exists, with the options it is given', () => {
  const found = documents
    .filter((path) => !path.startsWith('docs/reference/'))
    .flatMap((path) => commandsIn(readFileSync(join(repository, path), 'utf8')).map((line) => ({ path, line })));
  assert.ok(found.length > 30, `${found.length} commands found`);
  const faults = found.map(({ path, line }) => ({ path, line, fault: faultOf(line) })).filter(({ fault }) => fault !== undefined);
  assert.deepEqual(faults, []);
});

test('a command that does not exist, and an option that does not, are noticed', () => {
  assert.match(faultOf('gyre datasets shwo flights')!, /no "shwo"/);
  assert.match(faultOf('gyre up --prot 1 # on another port')!, /no option --prot/);
  assert.equal(faultOf('gyre up --port 1 # --prot'), undefined);
  assert.equal(faultOf('gyre run -- python train.py --rate 0.1'), undefined);
  assert.match(faultOf('gyre run --rate 1 -- python train.py')!, /no option --rate/);
});

test('every link between the documents leads to a file and a heading', () => {
  const dead: string[] = [];
  for (const path of documents) {
    const text = readFileSync(join(repository, path), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
    for (const [, target] of text.matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)) {
      const [file = '', heading] = target!.split('#');
      const place = file === '' ? join(repository, path) : join(repository, dirname(path), file);
      if (!existsSync(place)) dead.push(`${path}: ${target}`);
      else if (heading && !headingsOf(place).has(heading)) dead.push(`${path}: ${target}`);
    }
  }
  assert.deepEqual(dead, []);
});

const headingsOf = (file: string): Set<string> =>
  new Set(
    [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map((match) =>
      match[1]!
        .toLowerCase()
        .replace(/[`.,:?!()]/g, '')
        .trim()
        .replaceAll(' ', '-'),
    ),
  );
