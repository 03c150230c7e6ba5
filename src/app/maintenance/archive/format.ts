// The form of a backup: one tar under zstd, which any tar can list (unless it is encrypted), and behind it the
// manifest with size and SHA-256 of each entry in their order. The manifest is found from the end of the file, so it is
// known before anything is taken out. Between the two stands the head of a zstd frame that decoders skip.
import type { CopiedTable } from '../database/copy.ts';

export const FORMAT = 1;
export const FOOTER_BYTES = 28;
const MAGIC = Buffer.from('GYREBKP1');
/** RFC 8878, 3.1.2: a frame that decoders skip. */
const SKIPPABLE = 0x184d2a50;
export const SKIP_HEAD_BYTES = 8;

/** The first line of the manifest. */
export interface ArchiveHead {
  readonly format: number;
  readonly program: string;
  readonly createdAt: string;
  readonly schema: number;
  readonly databaseOnly: boolean;
  /** The database that it was made from. */
  readonly from: 'sqlite' | 'postgres';
  readonly tables: readonly (CopiedTable & { readonly columns: readonly string[] })[];
  /** The end of the chain of events; null where there was none. */
  readonly events: { readonly seq: number; readonly hash: string } | null;
  readonly entries: number;
  readonly bytes: number;
  readonly blobs: { readonly count: number; readonly bytes: number };
  readonly paths: { readonly count: number; readonly bytes: number };
  /** Blobs, as `workspace/digest`, that could not be read when it was made. */
  readonly unreadable: readonly string[];
}

/** A further line: name, bytes, SHA-256. */
export type ArchiveEntry = readonly [name: string, sizeBytes: number, digest: string];

export interface Footer {
  readonly manifestAt: number;
  readonly manifestBytes: number;
}

export function writeFooter({ manifestAt, manifestBytes }: Footer): Buffer {
  const footer = Buffer.alloc(FOOTER_BYTES);
  MAGIC.copy(footer);
  footer.writeUInt32LE(FORMAT, 8);
  footer.writeBigUInt64LE(BigInt(manifestAt), 12);
  footer.writeBigUInt64LE(BigInt(manifestBytes), 20);
  return footer;
}

/** Undefined where a file does not end as a backup does. */
export function readFooter(footer: Buffer, fileBytes: number): Footer | undefined {
  if (footer.length !== FOOTER_BYTES || !footer.subarray(0, 8).equals(MAGIC) || footer.readUInt32LE(8) !== FORMAT) return undefined;
  const found = { manifestAt: Number(footer.readBigUInt64LE(12)), manifestBytes: Number(footer.readBigUInt64LE(20)) };
  return found.manifestAt + found.manifestBytes + FOOTER_BYTES === fileBytes ? found : undefined;
}

export function skipHead(bytes: number): Buffer {
  const head = Buffer.alloc(SKIP_HEAD_BYTES);
  head.writeUInt32LE(SKIPPABLE, 0);
  head.writeUInt32LE(bytes, 4);
  return head;
}

/** What the name of an entry says it is. */
export type Place =
  | { readonly kind: 'about' }
  | { readonly kind: 'table'; readonly table: string }
  | { readonly kind: 'blob'; readonly workspace: string; readonly digest: string }
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string };

export const ABOUT = 'gyre-backup.json';

/** Files of the server's own folder that a backup takes along: keys, the log of steps, what data planes have logged. */
const OWN_FILES = /^(?:[a-z-]+\/[a-z-]+\.key|serving\/log\/.+|attempts\/.+\/log\.txt)$/;
const plain = (path: string): boolean =>
  path.length <= 4000 && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\\0-\x1f]/.test(part));

/** Undefined for a name that no backup has: whatever it would lead to, it is not followed. */
export function placeOfEntry(name: string): Place | undefined {
  if (name === ABOUT) return { kind: 'about' };
  const table = /^database\/([a-z_]+)\/\d{6,}\.jsonl$/.exec(name);
  if (table) return { kind: 'table', table: table[1]! };
  const blob = /^blobs\/([^/]{1,300})\/([0-9a-f]{64})$/.exec(name);
  if (blob) {
    try {
      return { kind: 'blob', workspace: decodeURIComponent(blob[1]!), digest: blob[2]! };
    } catch {
      return undefined;
    }
  }
  const path = name.slice(name.indexOf('/') + 1);
  if (name.startsWith('paths/') && plain(path)) return { kind: 'path', path };
  if (name.startsWith('files/') && plain(path) && OWN_FILES.test(path)) return { kind: 'file', path };
  return undefined;
}

export const blobName = (workspace: string, digest: string): string => `blobs/${encodeURIComponent(workspace)}/${digest}`;
export const tableName = (table: string, part: number): string => `database/${table}/${String(part).padStart(6, '0')}.jsonl`;
