// S3 and what speaks its protocol. The SDK is loaded when a bucket is named, and finds credentials itself.
import type { PutObjectCommandInput, S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import type { ObjectStore, UploadedPart, Upload } from './object-store.ts';
import { readS3 } from './s3-read.ts';
import { s3Faults } from './s3-faults.ts';
import { listS3 } from './s3-list.ts';
import { presignS3 } from './s3-presign.ts';

export interface S3Options {
  readonly bucket: string;
  /** What `check` looks below, for rights may end there. */
  readonly prefix?: string;
  /** Another server than Amazon's. */
  readonly endpoint?: string;
  readonly region?: string;
  /** The bucket in the path instead of the host name. */
  readonly pathStyle?: boolean;
  readonly encryption?: 'AES256' | 'aws:kms' | 'aws:kms:dsse';
  readonly kmsKeyId?: string;
  readonly partBytes?: number;
  readonly attempts?: number;
  /** How long a connection may take to come about, and how long it may be silent. */
  readonly connectMs?: number;
  readonly silentMs?: number;
}

/** What the files beside share. */
export interface S3Parts {
  readonly sdk: typeof import('@aws-sdk/client-s3');
  readonly client: S3Client;
  readonly bucket: string;
  readonly sealed: { readonly ServerSideEncryption?: NonNullable<S3Options['encryption']>; readonly SSEKMSKeyId?: string };
  /** Runs a call; what it throws becomes a problem. */
  readonly call: <T>(work: () => Promise<T>) => Promise<T>;
  readonly is: ReturnType<typeof s3Faults>['is'];
  readonly faults: ReturnType<typeof s3Faults>;
}

const MB = 1024 * 1024;
const MAX_PARTS = 10_000;
const CONFLICTS = 6;
const CHECK_MS = 3000;

export async function openS3(options: S3Options): Promise<ObjectStore> {
  const sdk = await import('@aws-sdk/client-s3');
  const { bucket, encryption, kmsKeyId, partBytes = 8 * MB, connectMs = 5000, silentMs = 60_000 } = options;
  const config: S3ClientConfig = {
    maxAttempts: options.attempts ?? 6,
    retryMode: 'standard',
    forcePathStyle: options.pathStyle ?? false,
    // We name the checksum of each write ourselves: an address that is signed must not carry one of no bytes.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: connectMs, socketTimeout: silentMs, requestTimeout: silentMs, throwOnRequestTimeout: true },
    ...(options.endpoint ? { endpoint: options.endpoint } : {}),
    // A server of one's own knows no regions but wants the name of one in the signature.
    ...(options.region || options.endpoint ? { region: options.region || 'us-east-1' } : {}),
  };
  const client = new sdk.S3Client(config);
  const faults = s3Faults(`s3://${bucket}`);
  const { is } = faults;
  const parts: S3Parts = {
    sdk,
    client,
    bucket,
    faults,
    is,
    call: (work) => work().catch((error: unknown) => faults.raise(error)),
    sealed: { ...(encryption ? { ServerSideEncryption: encryption } : {}), ...(kmsKeyId ? { SSEKMSKeyId: kmsKeyId } : {}) },
  };
  const { call, sealed } = parts;
  const { get, head } = readS3(parts);
  const { list, listUploads, erase } = listS3(parts);
  const put = (key: string, bytes: Uint8Array, extra: Partial<PutObjectCommandInput>) =>
    client.send(
      new sdk.PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: bytes,
        ContentLength: bytes.length,
        ChecksumAlgorithm: 'CRC32',
        ...extra,
        ...sealed,
      }),
    );

  return {
    capabilities: { presign: true, partBytes, maxParts: MAX_PARTS, maxKeyBytes: 1024 },
    check: async () => {
      // Whoever asks does not wait for all the attempts that a transfer is worth.
      const abortSignal = AbortSignal.timeout(CHECK_MS);
      await call(async () => {
        try {
          await client.send(new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: options.prefix ?? '', MaxKeys: 1 }), { abortSignal });
        } catch (error) {
          throw abortSignal.aborted ? Object.assign(new Error(), { code: `no answer within ${CHECK_MS} ms` }) : error;
        }
      });
    },
    put: async (key, bytes) => void (await call(() => put(key, bytes, {}))),
    putIfAbsent: async (key, bytes, mark) => {
      for (let attempt = 1; ; attempt++)
        try {
          await put(key, bytes, { IfNoneMatch: '*', ...marked(mark) });
          return true;
        } catch (error) {
          if (is(error, 412, 'PreconditionFailed')) return false;
          // Another write of the key is under way and may yet fail.
          if (!is(error, 409, 'ConditionalRequestConflict') || attempt === CONFLICTS) return faults.raise(error);
          await faults.pause(attempt);
        }
    },
    createUpload: async (key, mark) => {
      const checksum = mark !== undefined ? { ChecksumAlgorithm: 'CRC32' as const, ChecksumType: 'COMPOSITE' as const } : {};
      const reply = await call(() =>
        client.send(new sdk.CreateMultipartUploadCommand({ Bucket: bucket, Key: key, ...checksum, ...marked(mark), ...sealed })),
      );
      return { key, id: reply.UploadId! };
    },
    uploadPart: async (upload, partNumber, bytes, signal) => {
      const reply = await call(() =>
        client.send(
          new sdk.UploadPartCommand({
            Bucket: bucket,
            Key: upload.key,
            UploadId: upload.id,
            PartNumber: partNumber,
            Body: bytes,
            ContentLength: bytes.length,
            ChecksumAlgorithm: 'CRC32',
          }),
          signal ? { abortSignal: signal } : {},
        ),
      );
      return { partNumber, etag: reply.ETag!, ...(reply.ChecksumCRC32 ? { checksum: reply.ChecksumCRC32 } : {}) };
    },
    completeUpload: (upload, uploaded) => complete(parts, upload, uploaded),
    abortUpload: async (upload) => {
      try {
        await client.send(new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key: upload.key, UploadId: upload.id }));
      } catch (error) {
        if (!is(error, 404, 'NoSuchUpload')) faults.raise(error);
      }
    },
    listUploads,
    get,
    head,
    list,
    copy: async (from, to) =>
      void (await call(() =>
        client.send(
          new sdk.CopyObjectCommand({
            Bucket: bucket,
            Key: to,
            CopySource: encodeURI(`${bucket}/${from}`).replaceAll('?', '%3F').replaceAll('#', '%23').replaceAll('+', '%2B'),
            ...sealed,
          }),
        ),
      )),
    delete: async (keys) => {
      for (let i = 0; i < keys.length; i += 1000) {
        const Objects = keys.slice(i, i + 1000).map((Key) => ({ Key }));
        const reply = await call(() => client.send(new sdk.DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } })));
        const failed = reply.Errors?.find((e) => e.Code !== 'NoSuchKey');
        if (failed) faults.raise(Object.assign(new Error(failed.Code), { name: failed.Code }));
      }
    },
    erase,
    ...presignS3(parts),
    close: () => client.destroy(),
  };
}

const marked = (mark: string | undefined) => (mark === undefined ? {} : { Metadata: { mark } });

async function complete({ sdk, client, bucket, is, faults }: S3Parts, upload: Upload, uploaded: readonly UploadedPart[]): Promise<void> {
  const Parts = uploaded.map((p) => ({
    PartNumber: p.partNumber,
    ETag: p.etag,
    ...(p.checksum === undefined ? {} : { ChecksumCRC32: p.checksum }),
  }));
  try {
    const input = { Bucket: bucket, Key: upload.key, UploadId: upload.id, MultipartUpload: { Parts } };
    await client.send(new sdk.CompleteMultipartUploadCommand(input));
  } catch (error) {
    if (is(error, 404, 'NoSuchUpload')) faults.uploadNotFound(upload.id);
    if (is(error, 400, 'InvalidPart', 'InvalidPartOrder', 'EntityTooSmall', 'MalformedXML', 'InvalidRequest'))
      faults.uploadIncomplete(upload.id);
    faults.raise(error);
  }
}
