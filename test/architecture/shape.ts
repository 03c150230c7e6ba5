// Sizes, names and the shape of folders.
import { basename, dirname } from 'node:path';
import { sources, type SourceTree } from './source-tree.ts';

const lineCount = (text: string): number => text.split('\n').length - 1;

/** Files over 500 lines, and, where they are more than 5 % of all, files of 300 lines and more. */
export function tooLongFiles(tree: SourceTree): string[] {
  const lengths = sources(tree).map(([path, text]) => ({ path, lines: lineCount(text) }));
  const say = ({ path, lines }: { path: string; lines: number }): string => `${path} has ${lines} lines`;
  const long = lengths.filter((file) => file.lines >= 300);
  return [...new Set([...lengths.filter((file) => file.lines > 500), ...(long.length > lengths.length * 0.05 ? long : [])].map(say))];
}

/** Folders with more than 20 files. */
export const crowdedFolders = (tree: SourceTree): string[] =>
  [...Map.groupBy(tree.keys(), (path) => dirname(path))]
    .filter(([, files]) => files.length > 20)
    .map(([folder, files]) => `${folder} holds ${files.length} files`);

const FORBIDDEN = /^(utils?|helpers?|common|misc|managers?|base)$/;

/** Names that say nothing, and names that are not kebab-case. */
export function badNames(tree: SourceTree): string[] {
  const bad: string[] = [];
  for (const path of tree.keys()) {
    for (const part of path.split('/')) {
      if (part === 'README.md' || part.endsWith('.py')) continue;
      const stem = part.replace(/(\.(test|d))?\.\w+$/, '');
      if (stem.split(/[-.]/).some((word) => FORBIDDEN.test(word))) bad.push(`${path}: name the concept instead of "${part}"`);
      else if (!/^[a-z0-9]+([-.][a-z0-9]+)*$/.test(stem)) bad.push(`${path}: "${part}" is not kebab-case`);
    }
  }
  return bad;
}

const SHAPE = /^(README\.md|(model|schema|errors|store|queries|service|routes|jobs|subscribers|commands|public|data-plane)\.ts)$/;
const FOLDERS = ['service', 'store', 'queries', 'routes', 'fixtures'];

/**
 * What lies in a domain's folder and belongs neither to the shape that all share nor to the concepts listed
 * for it; and concepts that are listed and gone.
 */
export function misshapenDomains(tree: SourceTree, concepts: Readonly<Record<string, readonly string[]>>): string[] {
  const wrong: string[] = [];
  const seen = new Map<string, Set<string>>();
  for (const path of tree.keys()) {
    const [, layer, domain, entry, ...rest] = path.split('/');
    if (layer !== 'domains' || !domain || !entry) continue;
    seen.set(domain, (seen.get(domain) ?? new Set()).add(entry));
    const listed = concepts[domain]?.includes(entry) ?? false;
    const shaped = rest.length > 0 ? FOLDERS.includes(entry) : SHAPE.test(entry) || entry.endsWith('.test.ts');
    if (!listed && !shaped) wrong.push(`${path}: "${entry}" is neither of the shape of a domain nor listed as a concept of ${domain}`);
  }
  for (const [domain, names] of Object.entries(concepts))
    for (const name of names) if (!seen.get(domain)?.has(name)) wrong.push(`${domain} has no "${name}" any more; take it from the list`);
  for (const [domain, entries] of seen) {
    for (const needed of ['README.md']) if (!entries.has(needed)) wrong.push(`src/domains/${domain} has no ${needed}`);
    const lines = lineCount(tree.get(`src/domains/${domain}/README.md`) ?? '');
    if (lines > 20) wrong.push(`src/domains/${domain}/README.md has ${lines} lines; 20 are enough`);
  }
  return [...new Set(wrong)];
}

/** Test files that are named for no file or folder beside them are fine; one without a test, or a function `testSomething` that makes tests, is not. */
export const emptyTests = (tree: SourceTree): string[] =>
  sources(tree)
    .filter(([path, text]) => basename(path).endsWith('.test.ts') && !/\b(test|test[A-Z]\w*|eachDatabase|it)\(/.test(text))
    .map(([path]) => `${path} holds no test`);
