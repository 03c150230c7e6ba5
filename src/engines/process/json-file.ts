import { readFile, rename, writeFile } from 'node:fs/promises';

/** The value in a file; undefined if it is not there, or not whole yet. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

// Not flushed to the disk: after a power loss the process is gone as well, and what ended well is in the database.
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(value));
  await rename(`${path}.new`, path);
}
