// Datasets that SQL makes from others: built when an input or the SQL changed, in the order of their inputs.
import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { turns } from '../../../kernel/turns.ts';
import { currentRevision, snapshotText, type DatasetDefinition, type Revision } from '../../projects/public.ts';
import type { DatasetVersion } from '../model.ts';
import * as store from '../store.ts';
import { rulesDigest } from './check-contract.ts';
import { createVersion, refuseViolations } from './create-version.ts';
import { sqlBuildKey } from './erase.ts';
import { stageFiles } from './stage.ts';

const inTurn = turns();

/** Brings every SQL dataset of the project up to date, one call at a time. Returns the versions that are new. */
export const refreshDatasets = (ctx: Ctx, project: string): Promise<DatasetVersion[]> =>
  // A push starts a refresh by itself; one that is asked for meanwhile must not build the same again.
  inTurn(`${ctx.workspace}/${project}`, () => buildAll(ctx, project));

async function buildAll(ctx: Ctx, project: string): Promise<DatasetVersion[]> {
  const revision = await currentRevision(ctx, project);
  const made: DatasetVersion[] = [];
  const failures: unknown[] = [];
  for (const definition of inOrder(Object.values(revision.definition.datasets)).filter((d) => d.sql !== null)) {
    const inputs = await Promise.all(definition.from.map((name) => store.findCurrent(ctx.db, ctx.workspace, project, name)));
    if (inputs.some((v) => v === undefined)) continue;
    // One dataset that cannot be built keeps its version; the others do not wait for it.
    try {
      const version = await build(ctx, revision, definition, inputs as DatasetVersion[]);
      if (version) made.push(version);
    } catch (error) {
      if (!isProblem(error)) throw error;
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return made;
}

async function build(
  ctx: Ctx,
  revision: Revision,
  definition: DatasetDefinition,
  inputs: readonly DatasetVersion[],
): Promise<DatasetVersion | undefined> {
  const sql = await snapshotText(ctx, revision.snapshot, definition.sql!);
  const rules = await rulesDigest(ctx, revision, definition);
  const key = sqlBuildKey(sql.digest, rules, inputs);
  const current = await store.findCurrent(ctx.db, ctx.workspace, revision.project, definition.name);
  if (current?.buildKey === key) return undefined;
  const [newest] = await store.listVersions(ctx.db, ctx.workspace, revision.project, definition.name, Number.MAX_SAFE_INTEGER, 1);
  if (newest?.state === 'quarantined' && newest.buildKey === key) return refuseViolations(newest);
  const folder = join(ctx.settings.dir, 'compute', 'made');
  await mkdir(folder, { recursive: true });
  const target = join(folder, `${randomBytes(8).toString('hex')}.parquet`);
  try {
    const tables = Object.fromEntries(
      await Promise.all(
        inputs.map(
          async (v) =>
            [
              v.dataset,
              {
                files: await stageFiles(
                  ctx,
                  (await store.listFiles(ctx.db, ctx.workspace, v)).map((f) => f.digest),
                ),
              },
            ] as const,
        ),
      ),
    );
    await ctx.compute.run(
      { what: definition.sql!, tables, writes: [target], statements: [{ userSql: sql.text, into: { parquet: target } }] },
      ctx.signal,
    );
    const [stored] = await storeBlobs(ctx, [{ path: target }]);
    const { version } = await createVersion(ctx, {
      revision,
      definition,
      files: [{ path: `${definition.name}.parquet`, digest: stored!.digest }],
      build: { key, inputs: inputs.map((v) => v.id), sqlFile: { path: definition.sql!, digest: sql.digest } },
    });
    return version;
  } finally {
    await rm(target, { force: true });
  }
}

/** Each dataset after those it is made from. The project file was checked for circles. */
function inOrder(definitions: readonly DatasetDefinition[]): DatasetDefinition[] {
  const byName = new Map(definitions.map((d) => [d.name, d]));
  const ordered = new Set<DatasetDefinition>();
  const visit = (d: DatasetDefinition): void => {
    for (const name of d.from) visit(byName.get(name)!);
    ordered.add(d);
  };
  definitions.forEach(visit);
  return [...ordered];
}
