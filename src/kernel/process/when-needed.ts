// A start pays for every module that is named and everything that is made then; most processes read no YAML and check
// few schemas.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Makes it at the first call, and gives the same one at the others. */
export function onFirstUse<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

/** A package: `const yaml = whenNeeded<typeof import('yaml')>('yaml')`, then `yaml().parse(text)`. */
export const whenNeeded = <T extends object>(name: string): (() => T) => onFirstUse(() => require(name) as T);
