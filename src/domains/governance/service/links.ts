// What is the subject's without naming it: keys of rows and ids of predictions, kept in a file while an erasure is under way.
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';

/** Keys of rows, and ids of predictions, that are the subject's; a Parquet file while an erasure is under way. */
export interface Links {
  readonly path: string;
  readonly rows: ReadonlyMap<string, ReadonlySet<string>>;
  readonly predictions: ReadonlySet<string>;
}

export async function writeLinks(ctx: Ctx, lines: string, links: Links): Promise<Links> {
  const rows = [
    ...[...links.rows].flatMap(([dataset, keys]) => [...keys].map((key) => ({ kind: 'row', dataset, key }))),
    ...[...links.predictions].map((key) => ({ kind: 'prediction', dataset: '', key })),
    // So that the file has its columns, whatever was found.
    { kind: 'none', dataset: '', key: '' },
  ];
  await writeFile(lines, rows.map((r) => JSON.stringify({ line: JSON.stringify(r) })).join('\n'));
  const fresh = `${links.path}.new`;
  await ctx.compute.run(
    {
      what: 'keys of a subject’s rows',
      tables: { t: { files: [lines], format: 'ndjson' } },
      writes: [fresh],
      statements: [
        {
          sql: `copy (select line::json->>'kind' as kind, line::json->>'dataset' as dataset, line::json->>'key' as key from t) to ${sqlText(fresh)} (format parquet)`,
        },
      ],
    },
    ctx.signal,
  );
  await rename(fresh, links.path);
  await rm(lines, { force: true });
  return links;
}

/** The links that an erasure collected before it was interrupted. */
export async function readLinks(ctx: Ctx, folder: string): Promise<Links> {
  const path = join(folder, 'links.parquet');
  const { rows } = await ctx.compute.run(
    { what: 'keys of a subject’s rows', tables: { t: { files: [path] } }, statements: [], rows: 'select kind, dataset, key from t' },
    ctx.signal,
  );
  const keys = new Map<string, Set<string>>();
  const predictions = new Set<string>();
  for (const { kind, dataset, key } of rows as unknown as { kind: string; dataset: string; key: string }[]) {
    if (kind === 'prediction') predictions.add(key);
    if (kind !== 'row') continue;
    keys.set(dataset, (keys.get(dataset) ?? new Set()).add(key));
  }
  return { path, rows: keys, predictions };
}
