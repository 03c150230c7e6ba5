// How MLflow keeps things in folders: YAML for what a thing is, a file for each key.
import { existsSync, readdirSync, readFileSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Pair } from '../../../domains/tracking/public.ts';

export type Meta = Readonly<Record<string, unknown>>;

export const META = 'meta.yaml';
export const folders = (path: string): string[] =>
  existsSync(path)
    ? readdirSync(path, { withFileTypes: true })
        .filter((e: Dirent) => e.isDirectory())
        .map((e) => e.name)
        .sort()
    : [];

/** Files below a folder by their paths, which are the keys; links are not followed. */
export function* filesBelow(root: string, prefix = ''): Generator<{ key: string; path: string }> {
  if (!existsSync(root)) return;
  for (const entry of readdirSync(root, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const [key, path] = [prefix + entry.name, join(root, entry.name)];
    if (entry.isDirectory()) yield* filesBelow(path, `${key}/`);
    else if (entry.isFile()) yield { key, path };
  }
}

export const pairsIn = (folder: string): Pair[] =>
  [...filesBelow(folder)].map(({ key, path }) => ({ key, value: readFileSync(path, 'utf8') }));

/** PyYAML writes version 1.1, in which other words are numbers than in 1.2. */
export const readMeta = (folder: string): Meta => {
  const found: unknown = parse(readFileSync(join(folder, META), 'utf8'), { version: '1.1', logLevel: 'error' });
  if (typeof found !== 'object' || found === null) throw new Error(`${META} holds no mapping`);
  return found as Meta;
};
