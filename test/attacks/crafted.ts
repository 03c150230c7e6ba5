// Archives that nobody of ours wrote, byte by byte.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { pack as openPack, type Header } from 'tar-stream';
import { FOOTER_BYTES, FORMAT, skipHead, writeFooter, type ArchiveHead } from '../../src/app/maintenance/archive/format.ts';
import { testFolder } from '../support/database-places.ts';

export type Crafted = Partial<Header> & { readonly name: string } & { readonly body?: Buffer };

/** `lines` stand in the manifest in place of what the entries are. */
export async function craft(
  t: TestContext,
  entries: readonly Crafted[],
  head: Partial<ArchiveHead> = {},
  lines?: readonly unknown[],
): Promise<string> {
  const pack = openPack();
  for (const { body = Buffer.from('x'), ...header } of entries) pack.entry(header, header.type === 'symlink' ? Buffer.alloc(0) : body);
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack) chunks.push(chunk as Buffer);
  const listed =
    lines ??
    entries.map((e) => [
      e.name,
      (e.body ?? Buffer.from('x')).length,
      createHash('sha256')
        .update(e.body ?? 'x')
        .digest('hex'),
    ]);
  const whole = {
    ...{
      format: FORMAT,
      program: '0',
      createdAt: '',
      schema: 1,
      databaseOnly: false,
      from: 'sqlite',
      tables: [],
      events: null,
      unreadable: [],
    },
    ...{ entries: entries.length, bytes: 1e6, blobs: { count: 0, bytes: 0 }, paths: { count: 0, bytes: 0 }, ...head },
  };
  const tar = zstdCompressSync(Buffer.concat(chunks));
  const manifest = zstdCompressSync(Buffer.from([whole, ...listed].map((l) => `${JSON.stringify(l)}\n`).join('')));
  const skip = skipHead(manifest.length + FOOTER_BYTES);
  const footer = writeFooter({ manifestAt: tar.length + skip.length, manifestBytes: manifest.length });
  const file = join(testFolder(t), 'crafted.tar.zst');
  writeFileSync(file, Buffer.concat([tar, skip, manifest, footer]));
  return file;
}
