// Where the bytes are. Credentials are no settings: the SDK of the store finds them in its own places.
import { flag, integer, oneOf, setting, text } from './setting.ts';

export const blobSettings = {
  blobsUrl: setting<string>({
    env: 'GYRE_BLOBS_URL',
    expected: 's3://bucket or s3://bucket/prefix',
    default: '',
    doc: 'The object store that holds data, models and artifacts; empty means the folder GYRE_DIR.',
    parse: (v) => (v === '' || /^s3:\/\/[a-z0-9][a-z0-9._-]{1,254}(\/[^?#\\]*)?$/i.test(v) ? v.replace(/\/+$/, '') : undefined),
  }),
  blobsCacheMb: setting<number>({
    env: 'GYRE_BLOBS_CACHE_MB',
    expected: 'megabytes, at least 64',
    default: 20_480,
    doc: 'How much of an object store is kept in GYRE_DIR/cache/blobs for queries and models. What was used in the last quarter of an hour stays in any case.',
    parse: integer(64, 1_000_000_000),
  }),
  s3Endpoint: setting<string>({
    env: 'GYRE_S3_ENDPOINT',
    expected: 'http(s)://host:port',
    default: '',
    doc: 'A server that speaks S3; empty means Amazon S3.',
    parse: (v) => (v === '' || (/^https?:\/\//.test(v) && URL.canParse(v)) ? v.replace(/\/+$/, '') : undefined),
  }),
  s3Region: setting<string>({
    env: 'GYRE_S3_REGION',
    expected: 'a region such as eu-central-1',
    default: '',
    doc: 'The region of the bucket; empty means what AWS_REGION or the profile says.',
    parse: text,
  }),
  s3PathStyle: setting<boolean>({
    env: 'GYRE_S3_PATH_STYLE',
    expected: '0 or 1',
    default: false,
    doc: 'The bucket in the path of an address (https://host/bucket) instead of its host name; most servers of one’s own want it.',
    parse: flag,
  }),
  s3Sse: setting<'' | 'AES256' | 'aws:kms' | 'aws:kms:dsse'>({
    env: 'GYRE_S3_SSE',
    expected: 'AES256, aws:kms or aws:kms:dsse',
    default: '',
    doc: 'The encryption asked for with each object; empty leaves it to the bucket.',
    parse: oneOf('', 'AES256', 'aws:kms', 'aws:kms:dsse'),
  }),
  s3SseKmsKeyId: setting<string>({
    env: 'GYRE_S3_SSE_KMS_KEY_ID',
    expected: 'the id or ARN of a key',
    default: '',
    doc: 'The key for aws:kms; empty means the account’s own key for S3.',
    parse: text,
  }),
  s3PartMb: setting<number>({
    env: 'GYRE_S3_PART_MB',
    expected: 'megabytes from 5 to 1024',
    default: 8,
    doc: 'The size of a part of an upload. A file may have 10,000 of them (80 GB), and each upload keeps up to three in memory.',
    parse: integer(5, 1024),
  }),
} as const;
