// What the blobs ask of an object store, in the words that S3, Google Cloud Storage and Azure share. A further
// store is one more file beside s3.ts that passes objects.test.ts; nothing above this port knows which it is.
import type { Readable } from 'node:stream';

export interface ObjectInfo {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** What its writer marked it with; only `head` tells. */
  readonly mark?: string;
  /** Another one for each content. */
  readonly version: string;
}

/** A page of a listing: keys, and with a delimiter the prefixes below which there are more. Either may be empty. */
export interface ListPage {
  readonly objects: readonly ObjectInfo[];
  /** Whole prefixes, each with its "/" at the end. */
  readonly folders: readonly string[];
}

/** An object on its way in, part by part. Nobody can read it before it is completed. */
export interface Upload {
  readonly key: string;
  readonly id: string;
}

export interface UploadedPart {
  readonly partNumber: number;
  /** What the store answered to the part: an ETag, or the id of a block. */
  readonly etag: string;
  /** The store's own checksum of the part, where it keeps one. */
  readonly checksum?: string;
}

export interface PendingUpload extends Upload {
  readonly startedMs: number;
}

export interface ObjectBody {
  /** Goes on by itself where a connection broke; ends with an error when the object was replaced meanwhile. */
  readonly stream: Readable;
  /** Of what the stream gives. */
  readonly sizeBytes: number;
}

export interface ObjectCapabilities {
  /** Whether addresses can be signed that let others read and write without credentials. */
  readonly presign: boolean;
  /** The size of every part but the last, and how many there may be. */
  readonly partBytes: number;
  readonly maxParts: number;
  readonly maxKeyBytes: number;
}

/**
 * Keys are whole; each call is atomic for its object and repeated where that is safe, with jitter and a bound. Every
 * call may raise `blob-store-unavailable`, `blob-store-refused` and `blob-store-missing`.
 */
export interface ObjectStore {
  readonly capabilities: ObjectCapabilities;
  /** Whether the store answers and lets us in; raises if not. */
  check(): Promise<void>;

  put(key: string, bytes: Uint8Array): Promise<void>;
  /** False: there is one already, and it stays. Of several at once one is told true. */
  putIfAbsent(key: string, bytes: Uint8Array, mark?: string): Promise<boolean>;

  /** With a mark, which `head` then tells, parts carry checksums that `completeUpload` repeats; without, others bring them. */
  createUpload(key: string, mark?: string): Promise<Upload>;
  uploadPart(upload: Upload, partNumber: number, bytes: Uint8Array, signal?: AbortSignal): Promise<UploadedPart>;
  /** Raises `upload-not-found`, `upload-incomplete`. */
  completeUpload(upload: Upload, parts: readonly UploadedPart[]): Promise<void>;
  /** Says nothing when there is no such upload. */
  abortUpload(upload: Upload): Promise<void>;
  /** Uploads that were neither completed nor aborted. */
  listUploads(prefix: string): AsyncIterable<PendingUpload>;

  /** Undefined = no such object, or none of that version. `end` is exclusive and may lie past the end. */
  get(key: string, range?: { readonly start: number; readonly end: number }, version?: string): Promise<ObjectBody | undefined>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** By the bytes of the keys, beginning after one; never more than a page is held. */
  list(
    prefix: string,
    options?: { readonly after?: string; readonly folders?: boolean; readonly pageSize?: number },
  ): AsyncIterable<ListPage>;
  copy(from: string, to: string): Promise<void>;
  /** Those that do not exist are no fault. */
  delete(keys: readonly string[]): Promise<void>;
  /** Removes an object with every older version that the store keeps of it; with `keepNewest` only the older ones. */
  erase(key: string, keepNewest?: boolean): Promise<void>;

  presignGet(key: string, expiresSeconds: number): Promise<string>;
  presignPut(key: string, expiresSeconds: number): Promise<{ url: string; headers: Record<string, string> }>;
  presignPart(upload: Upload, partNumber: number, expiresSeconds: number): Promise<string>;
  close(): void;
}
