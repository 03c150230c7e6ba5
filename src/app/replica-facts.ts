// What replicas of one database have to have in common, and how one finds out: their keys, and the place of the bytes.
import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import type { Settings } from '../kernel/config/settings.ts';
import { folderKey } from '../kernel/folder-key.ts';
import type { ReplicaFacts } from '../kernel/replicas/replicas.ts';

// Made by whoever needs one first; here they are needed to be the same everywhere.
const KEYS = ['governance/subject.key', 'run/secrets.key', 'run/secret-versions.key', 'serving/plan.key'];
// Old files of a folder of uploads are swept.
const TOUCH_MS = 3_600_000;

/** With GYRE_SECRETS_KEY the keys of a new folder follow from it, so that all replicas come to the same ones. */
export function seedKeys({ secretsKey, dir }: Settings): void {
  if (secretsKey === '') return;
  for (const name of KEYS) {
    const file = join(dir, name);
    if (existsSync(file)) continue;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const key = Buffer.from(hkdfSync('sha256', secretsKey, '', `gyre ${name}`, 32)).toString('hex');
    try {
      writeFileSync(file, key, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      // Another process of this folder was quicker, and came to the same.
      if ((error as { code?: string }).code !== 'EEXIST') throw error;
    }
  }
}

/** `leave` takes away what this one put into the place of the bytes for the others to see. */
export function replicaFacts(settings: Settings, dataPlane: boolean): ReplicaFacts & { leave: () => void } {
  const { dir, secretsKey, blobsUrl } = settings;
  const id = `rep_${randomBytes(8).toString('hex')}`;
  const keys = createHash('sha256').update(`keys ${secretsKey}`);
  for (const name of KEYS) keys.update(folderKey(join(dir, name)));
  const common = { id, place: `process ${process.pid} on ${hostname()} in ${dir}`, keys: keys.digest('hex').slice(0, 16), dataPlane };
  if (blobsUrl !== '') return { ...common, store: blobsUrl, meets: () => true, leave: () => undefined };
  const mark = (of: string): string => join(dir, 'cas', 'incoming', `${of}.replica`);
  writeFileSync(mark(id), '');
  const touch = setInterval(() => {
    try {
      utimesSync(mark(id), new Date(), new Date());
    } catch {
      // The disk is away or full; that is heard of elsewhere.
    }
  }, TOUCH_MS).unref();
  return {
    ...common,
    store: 'a folder',
    meets: (other) => existsSync(mark(other)),
    leave: () => {
      clearInterval(touch);
      rmSync(mark(id), { force: true });
    },
  };
}
