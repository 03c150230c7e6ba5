// Words that may not be used in some places.
import { isTest, sources, withoutComments, type SourceTree } from './source-tree.ts';

const uses = (tree: SourceTree, where: (path: string) => boolean, word: RegExp, why: string): string[] =>
  sources(tree)
    .filter(([path]) => where(path))
    .flatMap(([path, text]) => {
      const found = word.exec(withoutComments(text));
      return found ? [`${path}: "${found[0].trim()}" ${why}`] : [];
    });

const EVENT_TIME = /^src\/domains\/(monitoring|retraining|features)\/|^src\/domains\/releases\/model\.ts$/;

/** Wall time in rooms that may read event time only. */
export const wallTimeInPolicy = (tree: SourceTree): string[] =>
  uses(
    tree,
    (path) => EVENT_TIME.test(path) && !isTest(path),
    /\bclock\b|\bDate\.now\(|\bnew Date\(\)|\bfixedClock\b|\bsystemClock\b/,
    'is wall time; decisions here read the timeline',
  );

/** Event time in the kernel's jobs. */
export const eventTimeInJobs = (tree: SourceTree): string[] =>
  uses(
    tree,
    (path) => path.startsWith('src/kernel/jobs/') && !isTest(path),
    /\btimeline\b/,
    'is event time; leases, backoff and timeouts are wall time',
  );

/** Readers of the process's environment that are not listed, and listed ones that read it no longer. */
export function environmentReaders(tree: SourceTree, allowed: Readonly<Record<string, string>>): string[] {
  const readers = uses(tree, (path) => path.startsWith('src/') && !isTest(path), /\bprocess\.env\b/, 'is read by config/settings.ts only');
  const isAllowed = (line: string): boolean => Object.keys(allowed).some((path) => line.startsWith(`${path}:`));
  const idle = Object.keys(allowed).filter((path) => !readers.some((line) => line.startsWith(`${path}:`)));
  return [...readers.filter((line) => !isAllowed(line)), ...idle.map((path) => `${path} reads it no more; take it from the list`)];
}

export const moduleMocks = (tree: SourceTree): string[] =>
  uses(
    tree,
    (path) => isTest(path) && !path.startsWith('test/architecture'),
    /\bmock\.module\(|\b(?:vi|jest)\.mock\(|\besmock\b|\bproxyquire\b|\bregisterHooks\(/,
    'replaces a module; test the real thing',
  );

export const unrunTests = (tree: SourceTree): string[] =>
  uses(
    tree,
    (path) => path.endsWith('.test.ts') && !path.startsWith('test/architecture'),
    /\b(?:test|it|describe|suite|eachDatabase|t)\.(?:skip|only|todo)\(|[{,]\s*(?:skip|only|todo):/,
    'leaves tests out',
  );

export const starExports = (tree: SourceTree): string[] =>
  uses(tree, () => true, /^\s*export \*/m, 'hides which names are public; list them');
