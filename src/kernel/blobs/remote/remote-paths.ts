// The mutable zone in an object store: a path is a key. A write replaces the object as a whole once all bytes
// are there; folders are what keys have in common.
import { Readable, Writable } from 'node:stream';
import { failpoint } from '../../failpoints.ts';
import { ObjectWriter } from '../objects/object-writer.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { pour } from '../streams/pour.ts';
import { failPath, safeParts, type PathInfo, type PathZone } from '../path-zone.ts';
import { folderEntries } from './folder-entries.ts';
import type { LocalCache } from './local-cache.ts';
import { openPlaces } from './places.ts';
import { remoteUploads } from './remote-uploads.ts';

export interface RemotePathsOptions {
  readonly objects: ObjectStore;
  /** Before every key, with "/" at its end or empty. */
  readonly prefix: string;
  readonly cache: LocalCache;
}

export function openRemotePaths({ objects, prefix, cache }: RemotePathsOptions): PathZone {
  const { maxKeyBytes, presign } = objects.capabilities;
  const keyOf = (path: string): string => {
    safeParts(path);
    const key = `${prefix}${path}`;
    return Buffer.byteLength(key) > maxKeyBytes ? failPath('path-invalid', { path: `${path.slice(0, 80)}...` }) : key;
  };
  const fileKey = (path: string): string => (path === '' ? failPath('path-invalid', { path }) : keyOf(path));
  const folderKey = (path: string): string => (path === '' ? prefix : `${keyOf(path)}/`);
  const places = openPlaces(objects, keyOf);
  const isSafe = (path: string): boolean => {
    try {
      return safeParts(path).length > 0;
    } catch {
      return false;
    }
  };

  const zone: PathZone = {
    ...(presign ? { uploads: remoteUploads(objects, fileKey, places) } : {}),
    write: async (path, source) => {
      const writer = new ObjectWriter(objects, fileKey(path));
      const free = places.check(path);
      free.catch(() => undefined);
      try {
        await pour(
          source,
          new Writable({
            write: (chunk: Buffer, _encoding, done) =>
              writer.write(chunk).then(
                () => done(),
                (error: Error) => done(error),
              ),
          }),
        );
        await free;
        failpoint('paths.before-rename');
        await writer.finish(false);
        failpoint('paths.after-rename');
        return { sizeBytes: writer.sizeBytes };
      } catch (error) {
        await writer.abort();
        throw error;
      }
    },
    replace: async (path, bytes) => {
      await zone.write(path, Readable.from([bytes]));
      await objects.erase(keyOf(path), true);
    },
    open: async (path) => {
      const key = keyOf(path);
      return (path === '' ? undefined : await objects.get(key)) ?? failPath('path-not-found', { path });
    },
    openPart: async (path, choose) => {
      const key = keyOf(path);
      // Replaced between the two questions, it is asked for anew.
      for (let attempt = 0; attempt < 5; attempt++) {
        const found = path === '' ? undefined : await objects.head(key);
        if (!found) return failPath('path-not-found', { path });
        const part = choose(found.sizeBytes) ?? { start: 0, end: found.sizeBytes };
        const body = await objects.get(key, part, found.version);
        if (body) return { stream: body.stream, sizeBytes: found.sizeBytes, part };
      }
      return failPath('path-not-found', { path });
    },
    entries: async function* (path, options = {}) {
      let given = 0;
      if (options.limit === 0) return;
      for await (const entry of folderEntries(objects, folderKey(path), options)) {
        // Keys that other programs made may be no paths: an empty name, or "..".
        if (isSafe(entry.name)) {
          yield entry;
          given += 1;
        }
        if (given === options.limit) return;
      }
    },
    list: async (path) => {
      const found: PathInfo[] = [];
      for await (const entry of zone.entries(path)) found.push(entry);
      return found;
    },
    walk: async function* (path) {
      const folder = folderKey(path);
      for await (const page of objects.list(folder))
        for (const { key, sizeBytes } of page.objects)
          if (isSafe(key.slice(folder.length))) yield { path: key.slice(folder.length), sizeBytes };
    },
    remove: async (path) => {
      const key = fileKey(path);
      let found = false;
      if (await objects.head(key)) {
        found = true;
        await objects.delete([key]);
      }
      // Always from the front, for what was listed is gone.
      for (let keys = await firstKeys(`${key}/`); keys.length > 0; keys = await firstKeys(`${key}/`)) {
        await objects.delete(keys);
        found = true;
      }
      places.forget(path);
      return found;
    },
    withLocalFile: async (path, use) => {
      const { stream } = await zone.open(path);
      return cache.withTemporary(stream, use);
    },
  };

  const firstKeys = async (start: string): Promise<string[]> => {
    for await (const page of objects.list(start)) if (page.objects.length > 0) return page.objects.map((o) => o.key);
    return [];
  };

  return zone;
}
