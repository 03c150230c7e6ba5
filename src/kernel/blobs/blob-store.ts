// Blobs in two zones, wherever they lie: folder-store.ts keeps them in a folder, remote/ in an object store.
// `cas/` is immutable and addressed by SHA-256: small files travel together in packs, large ones are a pack of
// their own. `paths/` is mutable, in the layout that MLflow's clients expect.
import type { Readable } from 'node:stream';
import type { PathZone } from './path-zone.ts';

/** Where the bytes with this digest are: `offset` and `length` within the pack. */
export interface BlobEntry {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
}

export type BlobSource = Readable | Uint8Array | { readonly path: string };

/**
 * A batch of files on their way in. Nothing is addressable before `commit`, which makes everything durable
 * with one fsync per pack; a batch that is dropped leaves garbage for `sweep`.
 */
export interface BlobBatch {
  /** Streams the source in while hashing it. Raises `storage-full`. */
  add(source: BlobSource): Promise<{ digest: string; sizeBytes: number }>;
  /** Entries of everything added, one per distinct digest. Raises `storage-full`. */
  commit(): Promise<BlobEntry[]>;
  /** Forgets the batch and removes its temporary files. */
  abandon(): Promise<void>;
}

export interface BlobStore {
  readonly paths: PathZone;
  begin(): Promise<BlobBatch>;
  /** The bytes, or a part of them (`end` exclusive). */
  open(entry: BlobEntry, range?: { start: number; end: number }): Readable;
  read(entry: BlobEntry): Promise<Buffer>;
  /** Says whether the stored bytes still have their digest. */
  verify(entry: BlobEntry): Promise<boolean>;
  /** A file with the bytes that its reader may not change in the store: a copy (copy-on-write where the file system can). */
  materialise(entry: BlobEntry, path: string): Promise<void>;
  /**
   * A file of this machine that holds exactly these bytes, for our own readers, who may not change it. It stays for
   * the time a query may take; ask again for each.
   */
  localCopy(entry: BlobEntry): Promise<string>;
  /** Removes the copies that `localCopy` made of these. Returns how many. */
  dropCopies(digests: Iterable<string>): Promise<number>;
  /** Removes packs that nothing refers to and that are older than the grace period, and copies unused for 30 days. Returns how many. */
  sweep(isReferenced: (packs: string[]) => Promise<Set<string>>, graceMs: number): Promise<number>;
  /** Every file of the immutable zone; `incoming` = of a batch that has not ended. */
  packs(): AsyncIterable<PackFile>;
  /** How long a pack may be there before its record is. */
  readonly arrivalMs: number;
  /** Removes a pack for good, whoever refers to it. */
  removePack(pack: string): Promise<void>;
  /** Why the store cannot be used at present; undefined if it can. */
  findTrouble(): Promise<string | undefined>;
  close(): Promise<void>;
}

export interface PackFile {
  readonly pack: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly incoming: boolean;
}
