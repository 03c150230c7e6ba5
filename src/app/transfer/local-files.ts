// Artifacts that lie in a folder or bucket, wherever a source says they are.
import { existsSync, realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openZoneAt } from '../../kernel/blobs/open-store.ts';
import { openPathZone, type PathZone } from '../../kernel/blobs/path-zone.ts';
import type { Settings } from '../../kernel/config/settings.ts';
import type { SourceFile } from './source.ts';

/** The folder that a URI of a file system names; undefined for other stores. */
export function folderOf(uri: string, base: string): string | undefined {
  if (/^file:/i.test(uri)) {
    try {
      return fileURLToPath(uri.replace(/^file:\/*/i, 'file:///'));
    } catch {
      return undefined;
    }
  }
  return /^[a-z][a-z0-9+.-]+:/i.test(uri) ? undefined : resolve(base, uri);
}

async function* walk(zone: PathZone): AsyncGenerator<SourceFile> {
  for await (const { path, sizeBytes } of zone.walk('')) yield { path, sizeBytes, open: async () => (await zone.open(path)).stream };
}

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

export interface Places {
  /** Folders that relative locations are in, and what a server of MLflow keeps behind `mlflow-artifacts:`. */
  readonly root: string | undefined;
  readonly base: string;
  readonly settings: () => Settings;
}

/**
 * The files at a location. What is not there is empty; links inside are not followed. undefined where nothing here
 * reads that store, or nobody said where a server keeps its files.
 */
export async function filesAt(uri: string, { root, base, settings }: Places): Promise<AsyncIterable<SourceFile> | undefined> {
  if (uri === '') return undefined;
  if (uri.startsWith('s3://')) return walk(await openZoneAt(settings(), uri.split('?')[0]!.replace(/\/+$/, '')));
  const proxied = /^(?:mlflow-artifacts:(?:\/\/[^/]*)?|https?:\/\/[^/]+\/(?:.*\/)?api\/2\.0\/mlflow-artifacts\/artifacts)\/*(.*)$/s.exec(
    uri,
  );
  if (proxied) {
    if (root === undefined) return undefined;
    if (root.startsWith('s3://')) return walk(await openZoneAt(settings(), `${root.replace(/\/+$/, '')}/${proxied[1]!}`));
  }
  const folder = proxied ? below(resolve(folderOf(root!, base)!), proxied[1]!) : folderOf(uri, base);
  if (folder === undefined) return undefined;
  return isFolder(folder) ? walk(openPathZone(realpathSync(folder), 'process')) : empty();
}

const below = (root: string, path: string): string | undefined => (path.split('/').includes('..') ? undefined : resolve(root, path));

// oxlint-disable-next-line require-yield
async function* empty(): AsyncGenerator<SourceFile> {}
