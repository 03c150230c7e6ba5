// What `--model NAME=PATH` and `--model NAME@VERSION=PATH` name: an ONNX file, or a folder in which MLflow saved a model.
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fail } from './errors.ts';

export interface ModelArgument {
  readonly name: string;
  readonly version: string;
  /** Absolute. */
  readonly path: string;
  readonly isFolder: boolean;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._ -]{0,127}$/;
const VERSION = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
export const expected =
  'NAME=PATH or NAME@VERSION=PATH, with a name of letters, digits, ".", "_" and "-" that begins with a letter or a digit,';

/** Undefined if it has not the form. The first "=" ends the name, so a path may hold more of them. */
export function parseModelArgument(given: string): Pick<ModelArgument, 'name' | 'version' | 'path'> | undefined {
  const end = given.indexOf('=');
  const [name = '', version = '1', ...more] = given.slice(0, Math.max(0, end)).split('@');
  const path = given.slice(end + 1);
  return NAME.test(name) && VERSION.test(version) && more.length === 0 && path !== '' ? { name, version, path } : undefined;
}

/** Looks that every path is there and no version comes twice. Raises `model-given-twice`, and what the disk says. */
export function findModels(given: readonly Pick<ModelArgument, 'name' | 'version' | 'path'>[]): ModelArgument[] {
  const seen = new Map<string, string>();
  for (const { name, version, path } of given) {
    const before = seen.get(`${name}@${version}`);
    if (before !== undefined) fail('model-given-twice', { model: name, version, paths: [before, path] });
    seen.set(`${name}@${version}`, path);
  }
  return given.map(({ name, version, path }) => ({ name, version, path: resolve(path), isFolder: statSync(path).isDirectory() }));
}
