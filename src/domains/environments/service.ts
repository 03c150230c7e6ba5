import type { Ctx } from '../../kernel/ctx.ts';
import type { Db } from '../../kernel/db/database.ts';
import { fail } from './errors.ts';
import { diffLocks, parseLock, type LockedPackage, type PackageChange } from './lock.ts';
import { realise, resolveEnvironment, type Realisation, type ResolvedEnvironment } from './realise.ts';

type EnvironmentRow = {
  workspace_id: string;
  digest: string;
  lock_digest: string;
  lock_file: string;
  packages: string;
  python: string;
  platform: string;
  created_ms: number;
};
const environmentsIn = (db: Db) => db.withTables<{ environments: EnvironmentRow }>();

export interface Environment {
  readonly digest: string;
  readonly lockDigest: string;
  readonly lockFile: string;
  readonly packages: readonly LockedPackage[];
  readonly python: string;
  readonly platform: string;
}

const toEnvironment = (r: EnvironmentRow): Environment => ({
  digest: r.digest,
  lockDigest: r.lock_digest,
  lockFile: r.lock_file,
  packages: JSON.parse(r.packages) as LockedPackage[],
  python: r.python,
  platform: r.platform,
});

/** Names a lock's environment on this machine and records it. Raises `lock-invalid`, `python-missing`. */
export async function declareEnvironment(
  ctx: Ctx,
  lockText: string,
  lockFile: string,
  python: string | null,
): Promise<ResolvedEnvironment> {
  const resolved = await resolveEnvironment(parseLock(lockText, lockFile), python);
  const known = await environmentsIn(ctx.db)
    .selectFrom('environments')
    .select('digest')
    .where('workspace_id', '=', ctx.workspace)
    .where('digest', '=', resolved.digest)
    .executeTakeFirst();
  if (known) return resolved;
  await ctx.tx(async (tx) => {
    const { interpreter } = resolved;
    await environmentsIn(tx.db)
      .insertInto('environments')
      .values({
        workspace_id: tx.workspace,
        digest: resolved.digest,
        lock_digest: resolved.lockDigest,
        lock_file: lockFile,
        packages: JSON.stringify(resolved.lock.packages),
        python: `${interpreter.implementation} ${interpreter.version}`,
        platform: interpreter.platform,
        created_ms: tx.clock.now(),
      })
      .onConflict((c) => c.doNothing())
      .execute();
    await tx.emit({
      type: 'environment.declared',
      subject: { kind: 'environment', id: resolved.digest },
      label: `${lockFile} on ${interpreter.implementation} ${interpreter.minor}`,
      payload: { lockDigest: resolved.lockDigest, packages: resolved.lock.packages.length },
    });
  });
  return resolved;
}

/** Makes the environment real if it is not. Raises `environment-failed`, `uv-missing`. */
export const realiseEnvironment = (ctx: Ctx, environment: ResolvedEnvironment, lockText: string, lockFile: string): Promise<Realisation> =>
  realise(environment, lockText, lockFile, { dir: ctx.settings.dir, uvCacheDir: ctx.settings.uvCacheDir, signal: ctx.signal });

export async function listEnvironments(ctx: Ctx): Promise<Environment[]> {
  const rows = await environmentsIn(ctx.db)
    .selectFrom('environments')
    .selectAll()
    .where('workspace_id', '=', ctx.workspace)
    .orderBy('created_ms', 'desc')
    .orderBy('digest')
    .limit(1000)
    .execute();
  return rows.map(toEnvironment);
}

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
