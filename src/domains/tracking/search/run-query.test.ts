import assert from 'node:assert/strict';
import { sql } from 'kysely';
import fc from 'fast-check';
import { eachDatabase, openPlatform } from '../../../../test/support/platform.ts';
import { createRun, logBatch, setRunLifecycle } from '../public.ts';
import type { RunRow } from '../store/tables.ts';
import { parseFilter } from './language.ts';
import { runLanguage, runSources } from './languages.ts';
import { findRunRows } from './run-query.ts';
import { clauseSql, nullsLast, orderTerms, parseOrder } from './sql.ts';

const RUNS = 40;
const clauses = [
  'metrics.a > 1',
  'metrics.a != 2',
  'metrics.b <= 2.5',
  'metrics.b = 0',
  "params.p = 'x'",
  "params.p != 'x'",
  "params.q LIKE '%y'",
  `params.long = '${'z'.repeat(250)}'`,
  `params.long = '${'z'.repeat(200)}'`,
  "tags.t = 'red'",
  "tags.t = ''",
  "tags.long = ''",
  'tags.t IS NULL',
  'params.q IS NOT NULL',
  "status = 'RUNNING'",
  'start_time > 10',
];
const orders = ['metrics.a', 'metrics.b', 'params.p', 'tags.t', 'params.q', 'start_time', 'attributes.run_id', 'metrics.none'];

eachDatabase('wherever a search begins, it finds the same runs in the same order', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  for (let i = 0; i < RUNS; i++) {
    const run = await createRun(ctx, { experimentId: '0', userId: '', name: `r${i}`, startMs: i % 7 === 0 ? null : i % 5, tags: [] });
    const metric = (key: string, value: number) => ({ key, value, timestampMs: 1, step: 0 });
    await logBatch(ctx, run.id, {
      metrics: [
        ...(i % 3 === 0 ? [] : [metric('a', i % 4)]),
        ...(i % 4 === 0 ? [] : [metric('b', i % 6 === 0 ? Number.NaN : (i % 8) / 2)]),
      ],
      params: [
        ...(i % 2 === 0 ? [{ key: 'p', value: i % 3 === 0 ? 'x' : 'X' }] : []),
        ...(i % 5 === 0 ? [] : [{ key: 'q', value: i % 2 === 0 ? 'ay' : 'by' }]),
        { key: 'long', value: 'z'.repeat(i % 2 === 0 ? 200 : 250) },
      ],
      tags: [
        ...(i % 3 === 1 ? [{ key: 't', value: i % 2 === 0 ? 'red' : i % 5 === 0 ? '' : 'blue' }] : []),
        { key: 'long', value: i % 2 === 0 ? '' : 'z'.repeat(300) },
      ],
    });
    if (i % 11 === 10) await setRunLifecycle(ctx, run.id, 'deleted');
  }
  const within = sql`r.experiment_id in ('0')`;
  const conditions = [sql`r.lifecycle = 'active'`];
  // As the meaning is written down: one look at each run.
  const plainly = async (filter: string, order: readonly string[], limit: number, offset: number): Promise<string[]> => {
    const items = parseOrder(runLanguage, order);
    const where = [
      sql`r.workspace_id = ${ctx.workspace}`,
      within,
      ...conditions,
      ...parseFilter(runLanguage, filter).map((c) => clauseSql(runLanguage, runSources, c, kind)),
    ];
    const terms = items.flatMap((item) => orderTerms(runLanguage, runSources, item));
    if (!items.some((item) => item.key === 'start_time')) terms.push(...nullsLast(sql`r.start_ms`, true));
    const { rows } = await sql<RunRow>`select r.* from tracking_runs r where ${sql.join(where, sql` and `)}
      order by ${sql.join([...terms, sql`r.id asc`])} limit ${limit} offset ${offset}`.execute(ctx.db);
    return rows.map((r) => r.name);
  };
  const asked = fc.record({
    filter: fc.uniqueArray(fc.constantFrom(...clauses), { maxLength: 3 }),
    order: fc.uniqueArray(fc.constantFrom(...orders), { maxLength: 3 }),
    descending: fc.boolean(),
    few: fc.constantFrom(1, 5, 20, 1000),
    limit: fc.constantFrom(1, 4, 50),
    offset: fc.constantFrom(0, 0, 3),
    onThread: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(asked, async ({ filter, order, descending, few, limit, offset, onThread }) => {
      const [text, items] = [filter.join(' AND '), order.map((o) => `${o} ${descending ? 'DESC' : 'ASC'}`)];
      const found = await findRunRows(onThread ? ctx.database.scanner : ctx.db, {
        workspace: ctx.workspace,
        dialect: kind,
        within,
        conditions,
        clauses: parseFilter(runLanguage, text),
        order: parseOrder(runLanguage, items),
        offset,
        limit,
        few,
      });
      assert.deepEqual(
        found.map((r) => r.name),
        await plainly(text, items, limit, offset),
      );
    }),
    { numRuns: 150 },
  );
});
