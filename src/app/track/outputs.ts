// Files that a command wrote below its declared outputs.
import { lstat, readdir, realpath } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';

export interface OutputFile {
  readonly file: string;
  /** Its name among the run's artifacts. */
  readonly artifact: string;
  readonly sizeBytes: number;
}

type Snapshot = ReadonlyMap<string, string>;

async function filesBelow(root: string): Promise<Map<string, { size: number; mark: string }>> {
  const found = new Map<string, { size: number; mark: string }>();
  const look = async (path: string): Promise<void> => {
    const entry = await lstat(path, { bigint: true }).catch(() => undefined);
    if (!entry) return;
    if (entry.isDirectory()) for (const name of (await readdir(path)).sort()) await look(join(path, name));
    else if (entry.isFile())
      found.set(path, { size: Number(entry.size), mark: `${entry.ino} ${entry.size} ${entry.mtimeNs} ${entry.ctimeNs}` });
    else if (entry.isSymbolicLink()) {
      // A link within the outputs stands for its file; one that leads out could take any file along.
      const real = await realpath(path).catch(() => undefined);
      if (!real?.startsWith((await realpath(root)) + sep)) return;
      const target = await lstat(real, { bigint: true });
      if (target.isFile())
        found.set(path, { size: Number(target.size), mark: `${target.ino} ${target.size} ${target.mtimeNs} ${target.ctimeNs}` });
    }
  };
  await look(root);
  return found;
}

/** How the outputs look before the command. */
export async function outputsBefore(outputs: readonly string[], cwd: string): Promise<Snapshot> {
  const marks = new Map<string, string>();
  for (const output of outputs) for (const [path, { mark }] of await filesBelow(resolve(cwd, output))) marks.set(path, mark);
  return marks;
}

/** What is new or changed since. */
export async function outputsWritten(outputs: readonly string[], cwd: string, before: Snapshot): Promise<OutputFile[]> {
  const written = new Map<string, OutputFile>();
  for (const output of outputs) {
    const root = resolve(cwd, output);
    for (const [file, { size, mark }] of await filesBelow(root)) {
      if (before.get(file) === mark) continue;
      const below = relative(cwd, file);
      // Outside the working folder the name of the output itself comes first.
      const name = below.startsWith('..') ? relative(join(root, '..'), file) : below;
      written.set(file, { file, artifact: `outputs/${name}`, sizeBytes: size });
    }
  }
  return [...written.values()];
}
