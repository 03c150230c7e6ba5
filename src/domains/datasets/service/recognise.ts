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

/** The versions that are meant and may be read; none if it is not known here. */
export async function recogniseVersions(ctx: Ctx, { name, digest, source }: Described): Promise<Recognised[]> {
  const text = source.slice(0, 10_000);
  const conditions: RawBuilder<unknown>[] = [];
  for (const [id] of [...`${text} ${digest} ${name}`.matchAll(ID)].slice(0, MOST)) conditions.push(sql`v.id = ${id}`);
  for (const [, project, dataset, number] of [...text.matchAll(PLACE)].slice(0, MOST))
    conditions.push(
      sql`(v.project = ${project} and v.dataset = ${dataset} and ${
        number === undefined
          ? sql`v.id = (select d.current_version from datasets d where d.workspace_id = v.workspace_id and d.project = v.project and d.name = v.dataset)`
          : sql`v.number = ${Math.min(Number(number), Number.MAX_SAFE_INTEGER)}`
      })`,
    );
  const bytes = new Set([...text.matchAll(SHA256)].slice(0, MOST).map(([found]) => found));
  const prefix = /^[0-9a-f]{8,64}$/.test(digest) ? digest : undefined;
  const ofFile = (where: RawBuilder<unknown>) =>
    conditions.push(sql`v.id in (select f.version_id from dataset_files f where f.workspace_id = ${ctx.workspace} and ${where})`);
  for (const found of bytes) ofFile(sql`f.digest = ${found}`);
  if (prefix && prefix.length >= SURE) {
    const range = (column: string) => sql`${sql.raw(column)} >= ${prefix} and ${sql.raw(column)} < ${`${prefix}g`}`;
    conditions.push(sql`(${range('v.logical_digest')})`);
    ofFile(range('f.digest'));
  } else if (prefix && prefix.length >= WITH_NAME)
    conditions.push(sql`(v.dataset = ${name} and v.logical_digest >= ${prefix} and v.logical_digest < ${`${prefix}g`})`);
  if (conditions.length === 0) return [];
  const { rows } = await sql<Recognised>`select v.id, v.project, v.dataset, v.number from dataset_versions v
    where v.workspace_id = ${ctx.workspace} and (${sql.join(conditions, sql` or `)}) order by v.id limit ${MOST}`.execute(ctx.db);
  return rows.filter((v) => atLeast(levelOf(ctx, 'dataset', `${v.project}/${v.dataset}`), 'READ'));
}
