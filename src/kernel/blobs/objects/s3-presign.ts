// Addresses that let somebody else read or write one object for a while.
import type { Upload } from './object-store.ts';
import type { S3Parts } from './s3.ts';

export function presignS3({ sdk, client, bucket, sealed, call }: S3Parts) {
  const signer = () => import('@aws-sdk/s3-request-presigner');
  const headers: Record<string, string> = {
    ...(sealed.ServerSideEncryption ? { 'x-amz-server-side-encryption': sealed.ServerSideEncryption } : {}),
    ...(sealed.SSEKMSKeyId ? { 'x-amz-server-side-encryption-aws-kms-key-id': sealed.SSEKMSKeyId } : {}),
  };
  // As parameters of the address the store would not heed them.
  const unhoistableHeaders = new Set(Object.keys(headers));
  return {
    presignGet: (key: string, expiresIn: number) =>
      call(async () => (await signer()).getSignedUrl(client, new sdk.GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn })),
    presignPut: (key: string, expiresIn: number) =>
      call(async () => {
        const command = new sdk.PutObjectCommand({ Bucket: bucket, Key: key, ...sealed });
        return { url: await (await signer()).getSignedUrl(client, command, { expiresIn, unhoistableHeaders }), headers };
      }),
    presignPart: (upload: Upload, partNumber: number, expiresIn: number) =>
      call(async () => {
        const input = { Bucket: bucket, Key: upload.key, UploadId: upload.id, PartNumber: partNumber };
        return (await signer()).getSignedUrl(client, new sdk.UploadPartCommand(input), { expiresIn });
      }),
  };
}
