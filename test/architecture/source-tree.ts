// The source as the rules see it: paths relative to the repository, and text. Rules are plain functions over
// it, so each can be shown to fail on a small tree made up for the purpose.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

export type SourceTree = ReadonlyMap<string, string>;

const repository = join(import.meta.dirname, '../..');

/** Every TypeScript file and README of the program, its tests and scripts. */
export function readSourceTree(): SourceTree {
  const files = globSync(['src/**/*.{ts,md,py,onnx,sql}', 'test/**/*.{ts,py}', 'scripts/**/*.ts', 'bench/**/*.ts'], {
    cwd: repository,
    exclude: ['**/__pycache__/**'],
  });
  return new Map(files.sort().map((path) => [path, readFileSync(join(repository, path), path.endsWith('.onnx') ? 'latin1' : 'utf8')]));
}

export const treeOf = (files: Readonly<Record<string, string>>): SourceTree => new Map(Object.entries(files));

/** The TypeScript files of a tree below a folder. */
export const sources = (tree: SourceTree, under = ''): [string, string][] =>
  [...tree].filter(([path]) => path.startsWith(under) && path.endsWith('.ts'));

export const isTest = (path: string): boolean => path.endsWith('.test.ts') || path.includes('/fixtures/') || path.startsWith('test/');

/** The text without comments. A "//" counts where a word could begin, so that addresses in strings stay. */
export const withoutComments = (text: string): string =>
  text.replace(/(^|\s)\/\*[\s\S]*?\*\//g, '$1').replace(/(^|[\s;,{(])\/\/.*$/gm, '$1');

/** The files that a file imports, as paths of the tree; packages and node: modules are left out. */
export function importsOf(path: string, text: string): string[] {
  const named = [...withoutComments(text).matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])(\.{1,2}\/[^'"]+)\1/g)];
  return named.map((match) => posix.join(dirname(path), match[2]!));
}

/** Those of them that are loaded when the program runs; `import type` is gone by then. */
export const loadedBy = (path: string, text: string): string[] =>
  importsOf(path, withoutComments(text).replace(/\b(?:import|export) type\b[^;]*?\bfrom\s*(['"]).*?\1/g, ''));
