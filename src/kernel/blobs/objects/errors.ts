import { defineErrors } from '../../errors.ts';

/** What a user is told of an object store; never a credential, nor what the store said word for word. */
export const { fail } = defineErrors({
  'blob-store-missing': {
    status: 503,
    title: 'The bucket does not exist',
    detail: (p: { url: string }) =>
      `There is no bucket for ${p.url}; create it, or set GYRE_BLOBS_URL (and GYRE_S3_ENDPOINT, GYRE_S3_REGION) to where it is.`,
  },
  'blob-store-refused': {
    status: 503,
    title: 'The object store refuses access',
    detail: (p: { url: string; reason: string }) =>
      `${p.url} refuses access (${p.reason}); give credentials by the AWS_* variables, a profile or the machine's role, with the rights that docs/storage.md lists.`,
  },
  'blob-store-unavailable': {
    status: 503,
    title: 'The object store does not answer',
    detail: (p: { url: string; reason: string }) =>
      `${p.url} cannot be used at present (${p.reason}); nothing was changed, repeat the request later.`,
  },
  'blob-too-large': {
    status: 413,
    title: 'The file is too large for the object store',
    detail: (p: { limitBytes: number }) => `A file may have ${p.limitBytes} bytes here; raise GYRE_S3_PART_MB to allow larger ones.`,
  },
  'blob-damaged': {
    status: 503,
    title: 'Stored bytes are not what they were',
    detail: (p: { digest: string }) => `The bytes read for ${p.digest} have another digest; restore them from a backup.`,
  },
  'blob-batch-expired': {
    status: 409,
    title: 'The upload took too long',
    detail: (p: { hours: number }) => `Files of one upload have to arrive within ${p.hours} hours; repeat it, in smaller steps.`,
  },
  'upload-not-found': {
    status: 404,
    title: 'No such upload',
    detail: (p: { uploadId: string }) => `There is no upload ${p.uploadId} under way; it was completed, aborted, or too old. Begin anew.`,
  },
  'upload-parts-invalid': {
    status: 400,
    title: 'Not a number of parts',
    detail: (p: { parts: number; maxParts: number }) => `${p.parts} is no number of parts; an upload has 1 to ${p.maxParts}.`,
  },
  'upload-incomplete': {
    status: 400,
    title: 'The parts do not make a file',
    detail: (p: { uploadId: string }) =>
      `The parts of upload ${p.uploadId} cannot be put together: name every part once, in order, with the ETag that its upload answered.`,
  },
});
