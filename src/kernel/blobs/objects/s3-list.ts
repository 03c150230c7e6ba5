// Listings, page by page, and the removal of what a bucket with versions keeps of an object.
import type { ListPage, PendingUpload } from './object-store.ts';
import type { S3Parts } from './s3.ts';

const PAGE = 1000;

export function listS3({ sdk, client, bucket, call, is }: S3Parts) {
  async function* list(prefix: string, options: { after?: string; folders?: boolean; pageSize?: number } = {}): AsyncGenerator<ListPage> {
    let token: string | undefined;
    do {
      const reply = await call(() =>
        client.send(
          new sdk.ListObjectsV2Command({
            Bucket: bucket,
            Prefix: prefix,
            MaxKeys: Math.min(PAGE, options.pageSize ?? PAGE),
            // Without it a name that XML cannot hold breaks the page.
            EncodingType: 'url',
            ...(options.folders ? { Delimiter: '/' } : {}),
            ...(token === undefined ? (options.after === undefined ? {} : { StartAfter: options.after }) : { ContinuationToken: token }),
          }),
        ),
      );
      const plain = reply.EncodingType === 'url' ? decoded : (key: string) => key;
      const objects = (reply.Contents ?? []).map((o) => ({
        key: plain(o.Key!),
        sizeBytes: o.Size ?? 0,
        modifiedMs: o.LastModified?.getTime() ?? 0,
        version: o.ETag ?? '',
      }));
      const folders = (reply.CommonPrefixes ?? []).map((p) => plain(p.Prefix!));
      yield { objects, folders };
      token = reply.IsTruncated ? reply.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async function* listUploads(prefix: string): AsyncGenerator<PendingUpload> {
    let at: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (at) {
      const marker: { KeyMarker?: string; UploadIdMarker?: string } = at;
      const reply = await call(() => client.send(new sdk.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, ...marker })));
      for (const upload of reply.Uploads ?? [])
        if (upload.Key?.startsWith(prefix) && upload.UploadId)
          yield { key: upload.Key, id: upload.UploadId, startedMs: upload.Initiated?.getTime() ?? Date.now() };
      at =
        reply.IsTruncated && reply.NextKeyMarker !== undefined
          ? {
              KeyMarker: reply.NextKeyMarker,
              ...(reply.NextUploadIdMarker === undefined ? {} : { UploadIdMarker: reply.NextUploadIdMarker }),
            }
          : undefined;
    }
  }

  // Kept for a minute: somebody may switch it on.
  let known: { readonly atMs: number; readonly versioned: Promise<boolean> } | undefined;
  const versioning = (): Promise<boolean> => {
    if (known && performance.now() - known.atMs < 60_000) return known.versioned;
    const versioned = client.send(new sdk.GetBucketVersioningCommand({ Bucket: bucket })).then(
      (reply) => reply.Status !== undefined,
      // A server without versions does not know the question; one that refuses the answer may have some.
      (error: unknown) => is(error, 403, 'AccessDenied'),
    );
    known = { atMs: performance.now(), versioned };
    return versioned;
  };

  const erase = async (key: string, keepNewest = false): Promise<void> => {
    const remove = (VersionId?: string) =>
      call(() => client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key, ...(VersionId === undefined ? {} : { VersionId }) })));
    if (!(await versioning())) {
      if (!keepNewest) await remove();
      return;
    }
    let marker: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {};
    while (marker) {
      const at: { KeyMarker?: string; VersionIdMarker?: string } = marker;
      const page = await call(() => client.send(new sdk.ListObjectVersionsCommand({ Bucket: bucket, Prefix: key, ...at })));
      const all = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].filter((v) => v.Key === key);
      for (const version of all) if (!keepNewest || !version.IsLatest) await remove(version.VersionId ?? 'null');
      // Longer keys with the same beginning follow those of this one.
      const more = page.IsTruncated && page.NextKeyMarker !== undefined && page.NextKeyMarker <= key;
      marker = more
        ? {
            KeyMarker: page.NextKeyMarker!,
            ...(page.NextVersionIdMarker === undefined ? {} : { VersionIdMarker: page.NextVersionIdMarker }),
          }
        : undefined;
    }
  };
  return { list, listUploads, erase };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
