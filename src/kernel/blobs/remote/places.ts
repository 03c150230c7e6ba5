// A store of keys lets "a" and "a/b" be beside one another; a folder does not, and whoever downloads both cannot
// have them. So a write looks whether its place is free: no file on the way to it, no folder where it is.
import type { ObjectStore } from '../objects/object-store.ts';
import { failPath } from '../path-zone.ts';

export interface Places {
  /** Raises `path-invalid`. Two writers at the same moment may both be told yes. */
  check(path: string): Promise<void>;
  forget(path: string): void;
}

const KNOWN = 10_000;

export function openPlaces(objects: ObjectStore, keyOf: (path: string) => string): Places {
  // Folders that were seen to be no file, so that the next file in them asks for one thing only.
  const folders = new Set<string>();
  return {
    check: async (path) => {
      const parts = path.split('/');
      const above = parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join('/'));
      const unknown = above.filter((folder) => !folders.has(folder));
      const isFolder = async (): Promise<boolean> => {
        for await (const page of objects.list(`${keyOf(path)}/`, { pageSize: 1 })) if (page.objects.length > 0) return true;
        return false;
      };
      const taken = await Promise.all([isFolder(), ...unknown.map(async (folder) => (await objects.head(keyOf(folder))) !== undefined)]);
      if (taken.includes(true)) failPath('path-invalid', { path });
      for (const folder of unknown) folders.add(folder);
      for (const folder of folders) {
        if (folders.size <= KNOWN) break;
        folders.delete(folder);
      }
    },
    forget: (path) => {
      for (const folder of folders)
        if (folder === path || folder.startsWith(`${path}/`) || path.startsWith(`${folder}/`)) folders.delete(folder);
    },
  };
}
