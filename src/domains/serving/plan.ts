// The plan on disk: `serving/plan.json` = {plan, signature}, replaced by rename. The key lies beside it and
// is made by whoever comes first; both processes run as the same user, so the signature guards against
// half-written, foreign and edited files and against a plan of another folder.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failpoint } from '../../kernel/failpoints.ts';
import { folderKey } from '../../kernel/folder-key.ts';
import { compileBody } from '../../kernel/http/validation.ts';
import { fail } from './errors.ts';
import { PlanAck, ServingPlan } from './schema.ts';

export const servingPaths = (dir: string) => {
  const root = join(dir, 'serving');
  return { root, plan: join(root, 'plan.json'), key: join(root, 'plan.key'), acks: join(root, 'acks'), log: join(root, 'log') } as const;
};

/** The folder's plan key; made on first use. */
export const servingKey = (dir: string): Buffer => folderKey(servingPaths(dir).key);

const sign = (key: Buffer, text: string): string => createHmac('sha256', key).update(text).digest('hex');

/** What a caller of the data plane's internal routes must send as bearer token. */
export const internalToken = (key: Buffer): string => sign(key, 'internal');

/** A value of a personal column as it is written to the inference log. */
export const pseudonym = (key: Buffer, value: string | number | boolean): string =>
  `hmac:${sign(key, `inference-log:${String(value)}`).slice(0, 32)}`;

/** The same by folder, for whoever must find a value in the log that is there as its HMAC. */
export const loggedPseudonym = (dir: string, value: string | number | boolean): string => pseudonym(servingKey(dir), value);

export const sameText = (a: string, b: string): boolean => {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
};

function replaceFile(path: string, text: string): void {
  const fresh = `${path}.${process.pid}.new`;
  const fd = openSync(fresh, 'w', 0o600);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  failpoint('serving.before-file-replaced');
  renameSync(fresh, path);
  failpoint('serving.after-file-replaced');
}

/** Signs the plan and puts it in place of the one before. The number must be larger than that one's. */
export function writePlan(dir: string, plan: ServingPlan): void {
  const text = JSON.stringify(plan);
  const key = servingKey(dir);
  replaceFile(servingPaths(dir).plan, `{"signature":"hmac-sha256:${sign(key, text)}","plan":${text}}\n`);
}

const checkPlan = compileBody(ServingPlan);
const checkAck = compileBody(PlanAck);

/** The plan of a folder, or undefined if there is none yet. Raises `plan-invalid`. */
export function readPlan(dir: string): ServingPlan | undefined {
  const { plan: path } = servingPaths(dir);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
  const invalid = (why: string): never => fail('plan-invalid', { path, why });
  let parsed: { signature?: unknown; plan?: unknown };
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch {
    return invalid('it is not JSON');
  }
  const expected = `hmac-sha256:${sign(servingKey(dir), JSON.stringify(parsed?.plan) ?? '')}`;
  if (!sameText(String(parsed?.signature), expected)) return invalid('its signature does not match this folder’s key');
  const check = checkPlan();
  if (!check(parsed.plan)) {
    const [error] = check.errors ?? [];
    return invalid(`${error?.instancePath ?? ''} ${error?.message ?? 'is not a serving plan'}`);
  }
  return parsed.plan as ServingPlan;
}

export function writeAck(dir: string, ack: PlanAck): void {
  const { acks } = servingPaths(dir);
  mkdirSync(acks, { recursive: true, mode: 0o700 });
  replaceFile(join(acks, `${ack.replica}.json`), JSON.stringify(ack));
}

/** What a replica acknowledged last, or undefined. */
export function readAck(dir: string, replica: string): PlanAck | undefined {
  try {
    const ack: unknown = JSON.parse(readFileSync(join(servingPaths(dir).acks, `${replica}.json`), 'utf8'));
    return checkAck()(ack) ? (ack as PlanAck) : undefined;
  } catch {
    return undefined;
  }
}
