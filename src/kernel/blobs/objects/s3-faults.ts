// What S3 and the way to it answer when something is wrong, as problems of ours. What the store says is not
// passed on: some repeat the key id or the signature.
import { setTimeout as delay } from 'node:timers/promises';
import { isProblem } from '../../errors.ts';
import { fail } from './errors.ts';

interface SdkError {
  readonly name?: string;
  readonly code?: string;
  readonly Code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
}

const REFUSED = new Set([
  'AccessDenied',
  'AllAccessDisabled',
  'AccountProblem',
  'CredentialsProviderError',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
  'AuthorizationHeaderMalformed',
  'RequestTimeTooSkewed',
  'KMS.AccessDeniedException',
  'KMS.NotFoundException',
  'KMS.DisabledException',
]);

/** The store did the sums of what arrived, and they are not those that were sent along. */
const CHANGED = new Set(['BadDigest', 'InvalidDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch']);

export const s3Faults = (url: string) => ({
  /** Whether it is one of these answers, by status where the name did not come through. */
  is: (error: unknown, status: number, ...names: string[]): boolean => {
    const { name = '', $metadata } = error as SdkError;
    return (
      names.includes(name) ||
      ($metadata?.httpStatusCode === status && ['', 'Error', 'UnknownError', 'Unknown', String(status)].includes(name))
    );
  },
  /** Before the next attempt: longer each time, and never for two at the same moment. */
  pause: (attempt: number): Promise<void> => delay(Math.random() * Math.min(5000, 50 * 2 ** attempt)),
  uploadNotFound: (uploadId: string): never => fail('upload-not-found', { uploadId }),
  uploadIncomplete: (uploadId: string): never => fail('upload-incomplete', { uploadId }),
  raise: (error: unknown): never => {
    if (isProblem(error) || (error as SdkError).name === 'AbortError') throw error;
    const { name = '', code = '', $metadata } = error as SdkError;
    const status = $metadata?.httpStatusCode ?? 0;
    const reason =
      [name === 'Error' ? '' : name, code, status === 0 || status === 200 ? '' : `status ${status}`].filter(Boolean).join(', ') ||
      'no answer';
    if (name === 'NoSuchBucket') return fail('blob-store-missing', { url });
    if (['PermanentRedirect', 'IllegalLocationConstraintException'].includes(name) || status === 301)
      return fail('blob-store-refused', { url, reason: 'the bucket is in another region, see GYRE_S3_REGION' });
    if (REFUSED.has(name) || status === 401 || status === 403) return fail('blob-store-refused', { url, reason });
    if (CHANGED.has(name)) return fail('blob-store-unavailable', { url, reason: 'bytes were changed on the way to it' });
    if (name === 'QuotaExceeded' || name === 'InsufficientCapacity' || status === 507)
      return fail('blob-store-unavailable', { url, reason: 'it is full' });
    // No status: the connection, its name or its time; 429 and 5xx: the store's own trouble. Any other answer is one we did not foresee.
    if (
      status === 0
        ? code !== '' || /Timeout|Network|ECONN|aborted/i.test(`${name} ${String(error)}`)
        : status === 429 || status >= 500 || status === 200
    )
      return fail('blob-store-unavailable', { url, reason });
    throw error;
  },
});
