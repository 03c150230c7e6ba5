// Holds a table against what its definition and its contract promise.
import { createHash } from 'node:crypto';
import type { ComputeTable } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { snapshotText, type DatasetDefinition, type Revision } from '../../projects/public.ts';
import { checksOf, judge, schemaViolations } from '../contract-checks.ts';
import { parseContract } from '../contract.ts';
import { fail } from '../errors.ts';
import type { DatasetVersion, Violation } from '../model.ts';

/** Digest of all that a version of this dataset is checked against. */
export async function rulesDigest(ctx: Ctx, revision: Revision, definition: DatasetDefinition): Promise<string> {
  const contract = definition.contract === null ? '' : (await snapshotText(ctx, revision.snapshot, definition.contract)).digest;
  return createHash('sha256')
    .update(JSON.stringify(['1', contract, definition.key, definition.occurredAt, definition.knownAt]))
    .digest('hex');
}

/** Raises `time-missing`, `compute-sql-invalid`. */
export async function checkTimes(ctx: Ctx, definition: DatasetDefinition, table: ComputeTable): Promise<void> {
  if (definition.occurredAt === null) return;
  const { rows } = await ctx.compute.run(
    {
      what: `occurred_at and known_at of dataset ${definition.name}`,
      tables: { t: table },
      statements: [
        {
          userSql: `select ((${definition.occurredAt}\n)::timestamp) is null as lost, (${definition.knownAt ?? definition.occurredAt}\n)::timestamp as known_at from t`,
          into: { table: 'times' },
        },
      ],
      rows: 'select count(*) filter (where lost) as lost from times',
    },
    ctx.signal,
  );
  const lost = Number(rows[0]!.lost);
  if (lost > 0) fail('time-missing', { dataset: definition.name, expression: definition.occurredAt, rows: lost });
}

/** What the table breaks of its contract, and of its key. Raises `contract-invalid`. */
export async function contractViolations(
  ctx: Ctx,
  { revision, definition }: { readonly revision: Revision; readonly definition: DatasetDefinition },
  table: ComputeTable,
  found: { columns: DatasetVersion['columns']; rows: number },
): Promise<Violation[]> {
  const contract =
    definition.contract === null
      ? null
      : parseContract((await snapshotText(ctx, revision.snapshot, definition.contract)).text, definition.contract);
  const schema = contract ? schemaViolations(contract, found.columns) : [];
  if (schema.length > 0) return schema;
  const checks = checksOf(contract, definition.key);
  const what = definition.contract === null ? `the key of dataset ${definition.name}` : `contract ${definition.contract}`;
  const own = checks.filter((c) => !c.untrusted);
  const violations: Violation[] = [];
  if (own.length > 0) {
    const counts = await ctx.compute.run(
      { what, tables: { t: table }, statements: [], rows: own.map((c, i) => `select ${i} as i, (${c.count}) as n`).join(' union all ') },
      ctx.signal,
    );
    for (const { i, n } of counts.rows as { i: number; n: number }[]) {
      const check = own[i]!;
      if (judge(check.rule, n, found.rows, []) === undefined) continue;
      const sample =
        check.failing === null
          ? []
          : (await ctx.compute.run({ what, tables: { t: table }, statements: [], rows: check.failing }, ctx.signal)).rows.map((r) =>
              String(r.k),
            );
      violations.push(judge(check.rule, n, found.rows, sample)!);
    }
  }
  for (const check of checks.filter((c) => c.untrusted)) {
    const { rows } = await ctx.compute.run(
      {
        what,
        tables: { t: table },
        statements: [{ userSql: check.count, into: { table: 'answer' } }],
        rows: 'select * from answer limit 1',
      },
      ctx.signal,
    );
    // No row, or NULL, is no number: nothing was counted, so the rule does not hold.
    const value = Object.values(rows[0] ?? {})[0] ?? null;
    const violation = judge(check.rule, value === null ? Number.NaN : Number(value), found.rows, []);
    if (violation) violations.push(violation);
  }
  return violations;
}
