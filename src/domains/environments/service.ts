import type { Ctx } from '../../kernel/ctx.ts';
import { fail } from './errors.ts';
import { diffLocks, parseLock, type PackageChange } from './lock.ts';
import type { Environment } from './model.ts';
import { findInterpreter } from './interpreter.ts';
import { realise, resolveEnvironment, type Realisation, type ResolvedEnvironment } from './realise.ts';
import * as store from './store.ts';
import { compileLock } from './uv.ts';

/** Names a lock's environment on this machine and records it. Raises `lock-invalid`, `python-missing`. */
export async function declareEnvironment(
  ctx: Ctx,
  lockText: string,
  lockFile: string,
  python: string | null,
): Promise<ResolvedEnvironment> {
  const resolved = await resolveEnvironment(parseLock(lockText, lockFile), python);
  if (await store.getEnvironment(ctx.db, ctx.workspace, resolved.digest)) return resolved;
  await ctx.tx(async (tx) => {
    const { interpreter } = resolved;
    const environment: Environment = {
      digest: resolved.digest,
      lockDigest: resolved.lockDigest,
      lockFile,
      packages: resolved.lock.packages,
      python: `${interpreter.implementation} ${interpreter.version}`,
      platform: interpreter.platform,
    };
    await store.insertEnvironment(tx.db, tx.workspace, environment, tx.clock.now());
    await tx.emit({
      type: 'environment.declared',
      subject: { kind: 'environment', id: resolved.digest },
      label: `${lockFile} on ${interpreter.implementation} ${interpreter.minor}`,
      payload: { lockDigest: resolved.lockDigest, packages: resolved.lock.packages.length },
    });
  });
  return resolved;
}

/** Locks what is asked for, names the environment and records it. Raises `environment-unresolvable`, `python-missing`, `uv-missing`. */
export async function lockRequirements(
  ctx: Ctx,
  requirements: readonly string[],
  file: string,
  python: string | null,
): Promise<{ resolved: ResolvedEnvironment; text: string }> {
  const text = await compileLock(requirements, await findInterpreter(python), { ...ctx.settings, signal: ctx.signal });
  return { resolved: await declareEnvironment(ctx, text, file, python), text };
}

/** Makes the environment real if it is not. Raises `environment-failed`, `uv-missing`. */
export const realiseEnvironment = (ctx: Ctx, environment: ResolvedEnvironment, lockText: string, lockFile: string): Promise<Realisation> =>
  realise(environment, lockText, lockFile, { ...ctx.settings, signal: ctx.signal });

export const listEnvironments = (ctx: Ctx): Promise<Environment[]> => store.listEnvironments(ctx.db, ctx.workspace);

/** By digest or its beginning. Raises `environment-not-found`. */
export async function getEnvironment(ctx: Ctx, id: string): Promise<Environment> {
  return (await listEnvironments(ctx)).find((e) => id.length >= 4 && e.digest.startsWith(id)) ?? fail('environment-not-found', { id });
}

export const diffEnvironments = (
  a: Environment,
  b: Environment,
): { python: [string, string] | null; platform: [string, string] | null; packages: PackageChange[] } => ({
  python: a.python === b.python ? null : [a.python, b.python],
  platform: a.platform === b.platform ? null : [a.platform, b.platform],
  packages: diffLocks(a.packages, b.packages),
});
