// The entries of a folder of keys, in one order whatever the store's own is. S3 lists a folder as its name with
// "/" behind, so "sub.txt" comes before "sub/"; some servers list it by its bare name, before "sub-1". Here it is
// always as in S3: a folder waits until all names have come that begin as its own and go on with less than "/".
import type { ObjectStore } from '../objects/object-store.ts';
import type { PathInfo } from '../path-zone.ts';

const PAGE = 1000;
/** Nothing that is in a folder comes behind it. */
const LAST = '\u{10FFFF}';

const precedes = (name: string, folder: string): boolean => name.startsWith(folder) && name !== folder && name.charAt(folder.length) < '/';
const asFolder = (name: string): PathInfo => ({ name, isFolder: true, sizeBytes: 0 });
const orderOf = (name: string, isFolder: boolean): Buffer => Buffer.from(isFolder ? `${name}/` : name);

/** `root` is what the keys have in common, with "/" at its end or empty. */
export async function* folderEntries(
  objects: ObjectStore,
  root: string,
  { after, limit = Infinity }: { readonly after?: string; readonly limit?: number } = {},
): AsyncGenerator<PathInfo> {
  const isFolder = async (name: string): Promise<boolean> => {
    for await (const page of objects.list(`${root}${name}/`, { pageSize: 1 })) if (page.objects.length > 0) return true;
    return false;
  };
  // Folders that come later, the one with the shortest name at the bottom.
  const waiting: string[] = [];
  let start: string | undefined;
  let behind: Buffer | undefined;
  if (after !== undefined) {
    // By its name alone it may be a file or a folder, and folders that come after it here may come before it there.
    const beginnings = [...after]
      .map((_, i, letters) => letters.slice(0, i).join(''))
      .filter((name) => name !== '' && precedes(after, name));
    const [itself, ...others] = await Promise.all([after, ...beginnings].map(isFolder));
    waiting.push(...beginnings.filter((_, i) => others[i]));
    start = `${root}${after}${itself ? `/${LAST}` : ''}`;
    behind = orderOf(after, itself!);
  }
  for await (const page of objects.list(root, {
    folders: true,
    pageSize: Math.min(limit, PAGE),
    ...(start === undefined ? {} : { after: start }),
  })) {
    const found = [
      ...page.folders.map((key) => asFolder(key.slice(root.length, -1))),
      ...page.objects.map((o) => ({ name: o.key.slice(root.length), isFolder: false, sizeBytes: o.sizeBytes })),
    ];
    const sorted = found.map((entry) => ({ entry, order: Buffer.from(entry.name) })).sort((a, b) => Buffer.compare(a.order, b.order));
    for (const { entry } of sorted) {
      if (behind && Buffer.compare(orderOf(entry.name, entry.isFolder), behind) <= 0) continue;
      if (entry.isFolder && waiting.includes(entry.name)) continue;
      while (waiting.length > 0 && !precedes(entry.name, waiting.at(-1)!)) yield asFolder(waiting.pop()!);
      if (!entry.isFolder) yield entry;
      else waiting.push(entry.name);
    }
  }
  while (waiting.length > 0) yield asFolder(waiting.pop()!);
}
