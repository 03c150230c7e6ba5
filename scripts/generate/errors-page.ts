import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { declaredErrors, type ErrorType } from '../../src/kernel/errors.ts';
import { markdownTable, note } from './markdown.ts';

const source = join(import.meta.dirname, '../../src');

/** Loads every module that declares problem codes, so that the registry is whole. */
export async function loadAllErrors(): Promise<ReadonlyMap<string, ErrorType<never>>> {
  for (const file of globSync('**/*.ts', { cwd: source, exclude: ['**/*.test.ts'] }).sort())
    if (/\bdefineErrors\(\{/.test(readFileSync(join(source, file), 'utf8'))) await import(join(source, file));
  return declaredErrors();
}

/** docs/reference/errors.md: a heading per code, so that every code can be linked to. */
export async function errorsPage(): Promise<string> {
  const errors = [...(await loadAllErrors())].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const list = errors.map(([code, type]) => `## ${code}\n\n**${type.title}** (HTTP ${type.status}).${sample(type)}\n`);
  return `${note('the errors that each room declares')}
# Errors

Every failure that a user can cause has a code that never changes; match on it, not on the words. Over HTTP it is
[RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) (\`application/problem+json\`); the command line prints the same sentence and
ends with a code by kind of problem (see [the command line](./cli.md)). Words in \`{braces}\` are filled in.

${markdownTable(
  ['status', 'codes'],
  [...Map.groupBy(errors, ([, type]) => type.status)]
    .toSorted(([a], [b]) => a - b)
    .map(([status, group]) => [String(status), group.map(([code]) => `[${code}](#${code})`).join(', ')]),
)}

${list.join('\n')}`;
}

/** The sentence with its parameters' names; '' where it cannot be made without real values. */
function sample(type: ErrorType<never>): string {
  try {
    const words = type.detail(new Proxy({}, { get: (_target, name) => placeholder(String(name)) }) as never);
    return `\n\n> ${words.replaceAll('<', '&lt;').replaceAll('\n', ' ')}`;
  } catch {
    return '';
  }
}

// Stands for a value of any type: as text it is its name in braces, and whatever is asked of it is itself.
function placeholder(name: string): unknown {
  const text = (): string => `{${name}}`;
  return new Proxy(text, {
    get: (_target, key) => {
      if (key === Symbol.toPrimitive || key === 'toString') return text;
      if (key === Symbol.iterator) return [][Symbol.iterator];
      return placeholder(name);
    },
    apply: () => text(),
  });
}
