// Transfers past the server: addresses that the store itself signs.
import type { ObjectStore } from '../objects/object-store.ts';
import { fail } from '../objects/errors.ts';
import { failPath, type PathUploads } from '../path-zone.ts';
import type { Places } from './places.ts';

const LONGEST_SECONDS = 7 * 24 * 3600;
const SIGNED_AT_ONCE = 100;

export function remoteUploads(objects: ObjectStore, keyOf: (path: string) => string, places: Places): PathUploads {
  const lasting = (seconds: number): number => Math.min(LONGEST_SECONDS, Math.max(1, Math.floor(seconds)));
  return {
    createUpload: async (path, parts, expiresSeconds) => {
      const key = keyOf(path);
      const { maxParts } = objects.capabilities;
      if (!Number.isInteger(parts) || parts < 1 || parts > maxParts) fail('upload-parts-invalid', { parts, maxParts });
      await places.check(path);
      const upload = await objects.createUpload(key);
      const urls: string[] = [];
      try {
        for (let from = 1; from <= parts; from += SIGNED_AT_ONCE) {
          const numbers = Array.from({ length: Math.min(SIGNED_AT_ONCE, parts - from + 1) }, (_, i) => from + i);
          urls.push(...(await Promise.all(numbers.map((n) => objects.presignPart(upload, n, lasting(expiresSeconds))))));
        }
      } catch (error) {
        await objects.abortUpload(upload).catch(() => undefined);
        throw error;
      }
      return { uploadId: upload.id, urls };
    },
    completeUpload: async (path, uploadId, parts) => {
      const key = keyOf(path);
      const sorted = parts.toSorted((a, b) => a.partNumber - b.partNumber);
      const bad = sorted.some((p, i) => !Number.isInteger(p.partNumber) || p.partNumber < 1 || p.partNumber === sorted[i - 1]?.partNumber);
      if (sorted.length === 0 || bad) fail('upload-incomplete', { uploadId });
      await objects.completeUpload({ key, id: uploadId }, sorted);
    },
    abortUpload: (path, uploadId) => objects.abortUpload({ key: keyOf(path), id: uploadId }),
    presignGet: async (path, expiresSeconds) => {
      const key = keyOf(path);
      const found = (await objects.head(key)) ?? failPath('path-not-found', { path });
      return { url: await objects.presignGet(key, lasting(expiresSeconds)), sizeBytes: found.sizeBytes };
    },
    presignPut: async (path, expiresSeconds) => {
      const key = keyOf(path);
      await places.check(path);
      return objects.presignPut(key, lasting(expiresSeconds));
    },
  };
}
