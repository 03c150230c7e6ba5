// Which versions somebody means who speaks of data in other words: by a version's id, a place, a digest.
import { sql, type RawBuilder } from 'kysely';
import type { Ctx } from '../../../kernel/ctx.ts';
import { atLeast, levelOf } from '../../../kernel/levels.ts';

export interface Described {
  readonly name: string;
  readonly digest: string;
  /** A URI, a path, or JSON that holds one. */
  readonly source: string;
}

export interface Recognised {
  readonly id: string;
  readonly project: string;
  readonly dataset: string;
  readonly number: number;
}

const ID = /\bdsv_[0-9a-hjkmnp-tv-z]{26}\b/g;
// gyre:flights/raw@3, also gyre://flights/raw@3; without a number the version that is current.
const PLACE = /\bgyre:(?:\/\/)?([\w.-]+)\/([\w.-]+)(?:@(\d+))?/g;
const SHA256 = /\b[0-9a-f]{64}\b/g;
/** Fewer digits of a digest say nothing without the name: one of 65,536 tables has the same four. */
const [SURE, WITH_NAME] = [16, 8];
const MOST = 20;

/** Descriptions that are asked about with one statement. */
const AT_ONCE = 50;

/** The versions that any of the descriptions means and that may be read, each once; none if nothing is known here. */
export async function recogniseVersions(ctx: Ctx, described: readonly Described[]): Promise<Recognised[]> {
  const known = new Map<string, Recognised>();
  for (let i = 0; i < described.length; i += AT_ONCE)
    for (const version of await recogniseSome(ctx, described.slice(i, i + AT_ONCE))) known.set(version.id, version);
  return [...known.values()].filter((v) => atLeast(levelOf(ctx, 'dataset', `${v.project}/${v.dataset}`), 'READ'));
}

async function recogniseSome(ctx: Ctx, described: readonly Described[]): Promise<readonly Recognised[]> {
  const ids = new Set<string>();
  const bytes = new Set<string>();
  const versions: RawBuilder<unknown>[] = [];
  const files: RawBuilder<unknown>[] = [];
  for (const { name, digest, source } of described) {
    const text = source.slice(0, 10_000);
    for (const [id] of [...`${text} ${digest} ${name}`.matchAll(ID)].slice(0, MOST)) ids.add(id);
    for (const [found] of [...text.matchAll(SHA256)].slice(0, MOST)) bytes.add(found);
    for (const [, project, dataset, number] of [...text.matchAll(PLACE)].slice(0, MOST))
      versions.push(
        sql`(v.project = ${project} and v.dataset = ${dataset} and ${
          number === undefined
            ? sql`v.id = (select d.current_version from datasets d where d.workspace_id = v.workspace_id and d.project = v.project and d.name = v.dataset)`
            : sql`v.number = ${Math.min(Number(number), Number.MAX_SAFE_INTEGER)}`
        })`,
      );
    if (!/^[0-9a-f]{8,64}$/.test(digest)) continue;
    const begins = (column: string) => sql`${sql.raw(column)} >= ${digest} and ${sql.raw(column)} < ${`${digest}g`}`;
    if (digest.length >= SURE) {
      versions.push(sql`(${begins('v.logical_digest')})`);
      files.push(sql`(${begins('f.digest')})`);
    } else if (digest.length >= WITH_NAME) versions.push(sql`(v.dataset = ${name} and ${begins('v.logical_digest')})`);
  }
  if (ids.size > 0) versions.push(sql`v.id in (${sql.join([...ids])})`);
  if (bytes.size > 0) files.push(sql`f.digest in (${sql.join([...bytes])})`);
  const either = (conditions: readonly RawBuilder<unknown>[]) => sql.join(conditions, sql` or `);
  if (files.length > 0)
    versions.push(sql`v.id in (select f.version_id from dataset_files f where f.workspace_id = ${ctx.workspace} and (${either(files)}))`);
  if (versions.length === 0) return [];
  const { rows } = await sql<Recognised>`select v.id, v.project, v.dataset, v.number from dataset_versions v
    where v.workspace_id = ${ctx.workspace} and (${either(versions)}) order by v.id limit ${MOST * described.length}`.execute(ctx.db);
  return rows;
}
