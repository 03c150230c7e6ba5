// The bytes of a sealed version, read from where they never change, whatever became of the place they came from.
import type { Readable } from 'node:stream';
import { getBlob } from '../../../kernel/blobs/blob-index.ts';
import { failPath, type PathZone, type Part } from '../../../kernel/blobs/path-zone.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import * as store from '../store/versions.ts';
import { getVersion } from './versions.ts';

interface File {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

/** Its files as a folder to read. Raises `model-version-not-found`, `version-unsealed`. */
export async function sealedZone(ctx: Ctx, versionId: string): Promise<Pick<PathZone, 'openPart' | 'entries'>> {
  const version = await getVersion(ctx, versionId);
  if (version.state !== 'sealed') fail('version-unsealed', { model: version.model, version: version.number });
  const rows = await store.listVersionFiles(ctx.db, ctx.workspace, version.id);
  const files: File[] = rows.map((f) => ({ path: f.path, digest: f.digest, sizeBytes: f.size_bytes }));
  return {
    openPart: async (path, choose) => {
      const file = files.find((f) => f.path === path) ?? failPath('path-not-found', { path });
      const part: Part = choose(file.sizeBytes) ?? { start: 0, end: file.sizeBytes };
      const stream: Readable = ctx.blobs.open(await getBlob(ctx.db, ctx.workspace, file.digest), part);
      return { stream, sizeBytes: file.sizeBytes, part };
    },
    async *entries(path, { after = '', limit = Number.POSITIVE_INFINITY } = {}) {
      const below = path === '' ? '' : `${path}/`;
      const found = new Map<string, { name: string; isFolder: boolean; sizeBytes: number }>();
      for (const file of files) {
        if (!file.path.startsWith(below)) continue;
        const [name, ...rest] = file.path.slice(below.length).split('/') as [string, ...string[]];
        found.set(name, { name, isFolder: rest.length > 0, sizeBytes: rest.length > 0 ? 0 : file.sizeBytes });
      }
      const sorted = [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)).filter((e) => e.name > after);
      yield* sorted.slice(0, limit);
    },
  };
}
