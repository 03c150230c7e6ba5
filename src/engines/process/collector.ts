// Takes in what a step wrote to out/: regular files only, nothing from outside.
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { BlobStore } from '../../kernel/blobs/blob-store.ts';
import type { AttemptOutcome, StoredFile } from '../../domains/pipelines/public.ts';

type Refused = Extract<AttemptOutcome, { ok: false }>;
type Found = { readonly relative: string; readonly absolute: string };

const refused = (reason: 'missing-output' | 'bad-output', detail: string): Refused => ({ ok: false, reason, detail, exitCode: 0 });

/** Stores the declared outputs of a step that ended well. Raises `storage-full`. */
export async function collect(
  blobs: BlobStore,
  out: string,
  names: readonly string[],
): Promise<Omit<Extract<AttemptOutcome, { ok: true }>, 'wallMs'> | Refused> {
  const found = new Map<string, Found[]>();
  for (const name of names) {
    if (name === '' || name.startsWith('.') || /[/\\\0]/.test(name))
      return refused('bad-output', `"${name}" cannot be the name of an output; use letters, digits, "-" and "_"`);
    const files = await filesOf(out, name);
    if (!Array.isArray(files)) return files;
    found.set(name, files);
  }
  const batch = await blobs.begin();
  try {
    const outputs: Record<string, StoredFile[]> = {};
    for (const [name, files] of found) {
      outputs[name] = [];
      for (const file of files) outputs[name].push({ path: file.relative, ...(await batch.add({ path: file.absolute })) });
    }
    return { ok: true, outputs, entries: await batch.commit() };
  } catch (error) {
    await batch.abandon();
    throw error;
  }
}

async function filesOf(out: string, name: string): Promise<Found[] | Refused> {
  const root = join(out, name);
  const kind = await lstat(root).catch(() => undefined);
  if (!kind) return refused('missing-output', `it ended well but did not write out/${name}`);
  if (!kind.isDirectory()) {
    const wrong = await whyNotTaken(out, root, name);
    return wrong ?? [{ relative: name, absolute: root }];
  }
  const files: Found[] = [];
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const absolute = join(entry.parentPath, entry.name);
    const relative = absolute.slice(root.length + 1);
    const wrong = await whyNotTaken(out, absolute, `${name}/${relative}`);
    if (wrong) return wrong;
    files.push({ relative, absolute });
  }
  return files.sort((a, b) => (a.relative < b.relative ? -1 : 1));
}

// A link to a file in out/ stands for that file (caches of models are made of them); any other one could
// carry bytes of the machine into the store.
async function whyNotTaken(out: string, path: string, shown: string): Promise<Refused | undefined> {
  if (shown.includes('\uFFFD')) return refused('bad-output', `out/${shown} has a name that is not UTF-8`);
  if ((await lstat(path)).isSymbolicLink()) {
    const target = await realpath(path).catch(() => undefined);
    if (target === undefined) return refused('bad-output', `out/${shown} is a link to nothing`);
    if (!target.startsWith((await realpath(out)) + sep)) return refused('bad-output', `out/${shown} is a link that leaves out/`);
  }
  return (await stat(path)).isFile() ? undefined : refused('bad-output', `out/${shown} is not a regular file`);
}
