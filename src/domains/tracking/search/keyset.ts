// Pages that go on behind the last row instead of counting rows: what is added or removed meanwhile moves nothing.
import { sql, type RawBuilder } from 'kysely';
import type { Db } from '../../../kernel/db/database.ts';
import { encodeCursor } from '../../../kernel/http/paging.ts';
import { hash } from 'node:crypto';
import { fail } from '../errors.ts';
import { runLanguage, runSources } from './languages.ts';
import { numeric, type OrderItem } from './sql.ts';

interface Term {
  readonly of: RawBuilder<unknown>;
  readonly descending: boolean;
}

/** What the rows are ordered by, as `ordering` in run-query.ts does it: rank of NaN and nothing, value, ..., id. */
function terms(order: readonly OrderItem[]): Term[] {
  const ascending = (of: RawBuilder<unknown>): Term => ({ of, descending: false });
  const nulls = (of: RawBuilder<unknown>) => ascending(sql`case when ${of} is null then 1 else 0 end`);
  const start = sql`r.start_ms`;
  const found = order.flatMap((item): Term[] => {
    if (item.entity === 'attribute') {
      const of = sql.raw(runLanguage.attributes[item.key]!.column);
      return [nulls(of), { of, descending: item.descending }];
    }
    const pick = (column: string) => sql`(select ${sql.raw(column)} from ${sql.raw(runSources[item.entity]!)} and e.key = ${item.key})`;
    const value = pick('e.value');
    const nan = item.entity === 'metric' ? sql`when ${pick('e.is_nan')} = 1 then 1` : sql``;
    return [ascending(sql`case when ${value} is null then 2 ${nan} else 0 end`), { of: value, descending: item.descending }];
  });
  if (!order.some((o) => o.entity === 'attribute' && runLanguage.attributes[o.key]!.column === 'r.start_ms'))
    found.push(nulls(start), { of: start, descending: true });
  return [...found, ascending(sql`r.id`)];
}

type Key = readonly (string | number | null)[];

export const questionOf = (question: unknown): string => hash('sha256', JSON.stringify(question), 'base64url').slice(0, 12);

/** Where the page ended that has this run as its last. */
export async function cursorBehind(db: Db, workspace: string, id: string, order: readonly OrderItem[], question: string): Promise<string> {
  const { rows } = await sql<
    Record<string, string | number | null>
  >`select ${sql.join(terms(order).map((t, i) => sql`${t.of} as ${sql.ref(`k${i}`)}`))}
    from tracking_runs r where r.workspace_id = ${workspace} and r.id = ${id}`.execute(db);
  return encodeCursor([question, ...(Object.values(rows[0] ?? {}) as (string | number)[])]);
}

/** The condition on `r` that it comes behind the cursor. Raises `page-token-invalid`. */
export function behind(cursor: string, order: readonly OrderItem[], question: string): RawBuilder<unknown> {
  const all = terms(order);
  let read: unknown;
  try {
    read = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    read = undefined;
  }
  const key = (Array.isArray(read) && read[0] === question ? read.slice(1) : []) as unknown as Key;
  if (key.length !== all.length || key.some((v) => v !== null && !['string', 'number'].includes(typeof v)))
    return fail('page-token-invalid', {});
  const bound = (v: string | number) => (typeof v === 'number' ? numeric(v) : sql`${v}`);
  return all.reduceRight<RawBuilder<unknown> | undefined>((next, term, i) => {
    const value = key[i]!;
    // There is none; the rank before it says so of all rows that are still asked about.
    if (value === null) return next!;
    const after = sql`${term.of} ${sql.raw(term.descending ? '<' : '>')} ${bound(value)}`;
    return next === undefined ? after : sql`(${after} or (${term.of} = ${bound(value)} and ${next}))`;
  }, undefined)!;
}
