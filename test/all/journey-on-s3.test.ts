// The journey again, unchanged, with records in PostgreSQL and bytes in a bucket.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { sql } from 'kysely';
import { openPostgres } from '../../src/kernel/db/postgres.ts';
import { openS3 } from '../../src/kernel/blobs/objects/s3.ts';
import { postgresUrl } from '../support/postgres.ts';
import { makeBucket, s3Server } from '../support/s3.ts';

const name = `journey_${randomBytes(4).toString('hex')}`;
const url = await postgresUrl();
const admin = await openPostgres(url, { poolSize: 1 });
await sql.raw(`create database ${name}`).execute(admin.reader);
const server = await s3Server();
await makeBucket(server, 'journey');

process.env.GYRE_DATABASE_URL = url.replace(/\/[^/]*$/, `/${name}`);
process.env.GYRE_BLOBS_URL = `s3://journey/${name}`;
process.env.GYRE_S3_ENDPOINT = server.url;
process.env.GYRE_S3_PATH_STYLE = '1';
await import('../journey/journey.test.ts');

test('afterwards data and artifacts are in the bucket, and no upload was left half done', async () => {
  const objects = await openS3({ bucket: 'journey', endpoint: server.url, pathStyle: true });
  const zones = new Map<string, number>();
  for await (const page of objects.list(`${name}/`))
    for (const { key } of page.objects) zones.set(key.split('/')[1]!, (zones.get(key.split('/')[1]!) ?? 0) + 1);
  assert.deepEqual([...zones.keys()].toSorted(), ['cas', 'paths']);
  for await (const upload of objects.listUploads(`${name}/`)) assert.fail(`${upload.key} was neither completed nor aborted`);
  objects.close();
});

after(async () => {
  await sql.raw(`drop database ${name} with (force)`).execute(admin.reader);
  await admin.close();
});
