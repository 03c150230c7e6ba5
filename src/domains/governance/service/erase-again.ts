// Erasing again whoever was erased after a backup was taken. Only the HMAC of the identifier is known, so its value is
// looked for in the tables that have come back; from then on it is an erasure like any other.
import { sqlName, sqlText } from '../../../kernel/compute/compute.ts';
import { findBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { fileParts, stageFiles, tableColumns } from '../../datasets/public.ts';
import { canonicalSql, holds, listSuppressions, subjectKey, suppressHmac } from '../../subjects/public.ts';
import { erase } from '../jobs.ts';
import { filesToSearch } from './held.ts';
import { requestErasure } from './request.ts';
import { isParquet } from './search.ts';

export interface ErasedBefore {
  readonly project: string;
  readonly kind: string;
  readonly hmac: string;
  readonly columns: readonly string[];
}

/**
 * Begins the erasure of one subject by its HMAC: the project is held until it has ended, which is when the server runs.
 * "suppressed" = no table has the value any more; it is left out of what comes in. Raises `project-not-found`.
 */
export async function eraseAgain(
  ctx: Ctx,
  before: ErasedBefore,
): Promise<{ state: 'erased-already' | 'queued' | 'suppressed'; id?: string }> {
  const { project, hmac } = before;
  if ((await listSuppressions(ctx.db, ctx.workspace, project)).some((s) => s.hmac === hmac)) return { state: 'erased-already' };
  const value = await findValue(ctx, before);
  if (value === undefined) {
    await ctx.tx((tx) => suppressHmac(tx, project, hmac, before.columns, 'restored'));
    return { state: 'suppressed' };
  }
  const reason = 'erased after the backup was taken that was restored';
  const { id } = await requestErasure(ctx, { project, subject: `${before.kind}=${value}`, reason, dryRun: false }, erase);
  return { state: 'queued', id };
}

async function findValue(ctx: Ctx, { project, hmac, columns }: ErasedBefore): Promise<string | undefined> {
  const { files } = await filesToSearch(ctx, project);
  const digests = files.map((f) => f.digest);
  const entries = await findBlobs(ctx.db, ctx.workspace, digests);
  const tables: string[] = [];
  for (const [digest, entry] of entries) if (await isParquet(ctx, entry)) tables.push(digest);
  const paths = await stageFiles(ctx, tables);
  const shapes = await tableColumns(ctx, paths);
  for (const alike of Map.groupBy(paths, (p) => JSON.stringify(shapes.get(p) ?? [])).values()) {
    const own = (shapes.get(alike[0]!) ?? []).filter((c) => !/STRUCT|MAP|\[\]/.test(c.type) && columns.some((id) => holds(c.name, id)));
    for (const column of own)
      for (const part of fileParts(alike)) {
        const text = canonicalSql(sqlName(column.name));
        const { rows } = await ctx.compute.run(
          {
            what: 'values of an erased subject',
            tables: { t: { files: part } },
            statements: [],
            rows: `select distinct ${text} as value from t where ${hmacSql(subjectKey(ctx.settings.dir), text)} = ${sqlText(hmac)} limit 1`,
          },
          ctx.signal,
        );
        if (rows[0]) return String(rows[0].value);
      }
  }
  return undefined;
}

/** RFC 2104 with SHA-256 in DuckDB, so that only the value that is looked for leaves the table. */
function hmacSql(key: Buffer, text: string): string {
  const pad = (byte: number): string => {
    const block = Buffer.alloc(64, byte);
    for (const [i, k] of key.entries()) block[i]! ^= k;
    return `from_hex('${block.toString('hex')}')`;
  };
  return `sha256(${pad(0x5c)} || from_hex(sha256(${pad(0x36)} || encode('subject:' || ${text}))))`;
}
