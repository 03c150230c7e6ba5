// Opens the store that the settings name.
import { join } from 'node:path';
import type { Settings } from '../config/settings.ts';
import { isProblem } from '../errors.ts';
import type { Log } from '../log.ts';
import type { BlobStore } from './blob-store.ts';
import { openFolderStore } from './folder-store.ts';
import type { ObjectStore } from './objects/object-store.ts';
import type { PathZone } from './path-zone.ts';
import { openLocalCache, type LocalCache } from './remote/local-cache.ts';
import { openRemotePaths } from './remote/remote-paths.ts';
import { openRemoteStore } from './remote/remote-store.ts';

const MB = 1024 * 1024;
const LEAST_HOLD_MS = 15 * 60_000;

/**
 * The folder, or the bucket once it has let us in. Raises `blob-store-missing` and `blob-store-refused`, which
 * somebody has to mend; a store that only does not answer may come back, so the server starts and is not ready.
 */
export async function openBlobStore(settings: Settings, log: Log): Promise<BlobStore> {
  if (settings.blobsUrl === '') return openFolderStore({ dir: settings.dir, durability: settings.durability });
  const { prefix } = placeOf(settings.blobsUrl);
  const objects = await openObjects(settings, settings.blobsUrl);
  try {
    await objects.check();
  } catch (error) {
    if (!isProblem(error, 'blob-store-unavailable')) {
      objects.close();
      throw error;
    }
    log.warn({ event: 'blobs.unavailable', reason: error.message });
  }
  return openRemoteStore({ objects, prefix, cache: cacheOf(settings) });
}

const cacheOf = (settings: Settings): LocalCache =>
  openLocalCache({
    dir: join(settings.dir, 'cache', 'blobs'),
    limitBytes: settings.blobsCacheMb * MB,
    // A query reads its files as long as it may run.
    holdMs: Math.max(LEAST_HOLD_MS, 1.5 * settings.computeTimeoutMs),
  });

const zones = new Map<string, Promise<PathZone>>();

/** The files below an address such as "s3://bucket/prefix", which need not be where our own blobs are; opened once. */
export function openZoneAt(settings: Settings, url: string): Promise<PathZone> {
  const key = JSON.stringify([url, settings.dir, settings.s3Endpoint, settings.s3Region]);
  let zone = zones.get(key);
  if (!zone) {
    zone = openObjects(settings, url).then((objects) =>
      openRemotePaths({ objects, prefix: placeOf(url).prefix, cache: cacheOf(settings) }),
    );
    zones.set(key, zone);
  }
  return zone;
}

const placeOf = (url: string): { bucket: string; prefix: string } => {
  const [, bucket = '', path = ''] = /^s3:\/\/([^/]+)\/*(.*)$/.exec(url) ?? [];
  const prefix = path.split('/').filter(Boolean).join('/');
  return { bucket, prefix: prefix === '' ? '' : `${prefix}/` };
};

async function openObjects(settings: Settings, url: string): Promise<ObjectStore> {
  const { openS3 } = await import('./objects/s3.ts');
  return openS3({
    bucket: placeOf(url).bucket,
    prefix: placeOf(url).prefix,
    endpoint: settings.s3Endpoint,
    region: settings.s3Region,
    pathStyle: settings.s3PathStyle,
    ...(settings.s3Sse === '' ? {} : { encryption: settings.s3Sse }),
    kmsKeyId: settings.s3SseKmsKeyId,
    partBytes: settings.s3PartMb * MB,
  });
}
