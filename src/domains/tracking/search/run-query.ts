// Runs by clauses and an order, quickly among very many: the search begins where the fewest rows have to be looked at,
// and that is counted beforehand, because without statistics a database cannot know.
import { sql, type RawBuilder } from 'kysely';
import type { Db } from '../../../kernel/db/database.ts';
import { mostOf, pageOf, type Best } from './best-entries.ts';
import { isIndexedValue } from '../store/entries.ts';
import { ofRuns } from '../store/of-runs.ts';
import type { RunRow } from '../store/tables.ts';
import type { Clause } from './language.ts';
import { runLanguage, runSources } from './languages.ts';
import { clauseSql, compare, NEWEST_FIRST, orderTerms, type DialectName, type OrderItem } from './sql.ts';

export interface RunSearch {
  readonly workspace: string;
  readonly dialect: DialectName;
  /** In which experiments: a condition on the table of runs, called `r`, that its index fulfils. */
  readonly within: RawBuilder<unknown>;
  /** Further ones of the table of runs alone. */
  readonly conditions: readonly RawBuilder<unknown>[];
  /** Those that a page begins behind another with. */
  readonly after?: readonly RawBuilder<unknown>[];
  readonly clauses: readonly Clause[];
  readonly order: readonly OrderItem[];
  readonly offset: number;
  readonly limit: number;
  /** Counts end here; given by tests. */
  readonly few?: number;
}

/** So many rows are looked at within some 40 ms; who has more is not worth to begin with. */
const FEW = 20_000;
/** So many rows to look at are few milliseconds. */
const MANY = 2000;
/** No more steps than these are taken along an order; then all runs are looked at sooner. */
const MOST_STEPS = 50_000;
/** SQLite joins at most 64 tables; clauses and orders beyond these are subqueries. */
const MOST_JOINED = 6;

// SQLite would rather sort what it finds in the order of runs.
const INDEX_OF_VALUES = 'indexed by latest_metrics__workspace_id__key__value__run_id__is_nan';

const tables: Readonly<Partial<Record<Clause['entity'], string>>> = {
  metric: 'latest_metrics',
  param: 'tracking_params',
  tag: 'tracking_tags',
};

const runsById = ofRuns<RunRow>('select * from tracking_runs', 'id', '', 'id');

/** The runs that match, in their order, from `offset` on and at most `limit`. What may take long is left to `scanner`. */
export async function findRunRows(db: Db, q: RunSearch, scanner: Db = db): Promise<RunRow[]> {
  if (q.clauses.length === 0 && q.order[0]?.entity !== 'metric') {
    const isLong = scanner !== db && (await countUpTo(db, MANY, runsWithin(q))) === MANY;
    return rowsOf(isLong ? scanner : db, q, beginWithRuns({ ...q, joined: [], others: [] }));
  }
  const found = await planOf(db, q);
  if (found === undefined) return [];
  const by = found.fewest < MANY ? db : scanner;
  return (await findByBest(by, found)) ?? findByAll(by, found, q.few ?? FEW);
}

/** Those that match, in no order, as a query of their `id`, `status` and `experiment_id`; undefined if there are none. */
export async function matchingRuns(
  db: Db,
  q: Omit<RunSearch, 'order' | 'offset' | 'limit'>,
): Promise<RawBuilder<{ id: string; status: string; experiment_id: string }> | undefined> {
  const search: RunSearch = { ...q, order: [], offset: 0, limit: 0 };
  const found = q.clauses.length > 0 ? await planOf(db, search) : { plan: { ...search, joined: [], others: [] }, begins: false };
  return found && sql`select r.id, r.status, r.experiment_id ${found.begins ? fromEntries(found.plan, none) : fromRuns(found.plan, none)}`;
}

interface Begin {
  readonly plan: Plan;
  /** With the entries of the first of `joined`, not with the runs. */
  readonly begins: boolean;
  readonly fewest: number;
}

/** The page by the entries of its order alone, if it has one item and enough of those found are wanted. */
async function findByBest(db: Db, { plan, begins, fewest }: Begin): Promise<RunRow[] | undefined> {
  const [by, second] = plan.order;
  if (by === undefined || second || !(by.entity in tables) || plan.after) return undefined;
  const most = mostOf(plan);
  const page = (best: readonly Best[], all: boolean) => pageOf(db, plan.dialect, { best, all }, conditionsOf(plan), plan);
  if (by.entity === 'metric') {
    // As many steps along the index of the order as one of 20 runs that match takes; they say how many are needed.
    // PostgreSQL goes along an index and hashes as it goes, which beats the search for thousands of entries one by one.
    const whole = begins && plan.dialect === 'sqlite' ? fewest : MOST_STEPS;
    const trial = 20 * most <= whole / 2 ? 20 * most : Math.ceil(whole / 16);
    const tried = await walk(db, plan, by, trial, most);
    const found = await page(tried, false);
    if (found) return found;
    const needed = Math.ceil((most / tried.length) * trial * 1.2);
    const more = tried.length < most && needed < whole ? await page(await walk(db, plan, by, needed, most), false) : undefined;
    if (more) return more;
  }
  if (!begins) return undefined;
  const best = await bestOf(db, plan, by, most);
  return page(best, best.length < most);
}

/** Along the values of a metric in their order; neither NaN nor runs without it, which come after all others. */
async function walk(db: Db, p: Plan, by: OrderItem, steps: number, most: number): Promise<readonly Best[]> {
  const order = sql.raw(`value ${by.descending ? 'desc' : 'asc'}`);
  const { rows } = await sql<Best>`select w.run_id as id, 0 as class, w.value from (
      select workspace_id, run_id, value from latest_metrics ${p.dialect === 'sqlite' ? sql.raw(INDEX_OF_VALUES) : none}
      where workspace_id = ${p.workspace} and key = ${by.key} and is_nan = 0 order by ${order} limit ${steps}) w
    ${joinEntries(p, p.joined, 'w', 'run_id')} order by w.${order} limit ${most}`.execute(db);
  return rows;
}

/** From the entries of the first clause, by the entries of the order. */
async function bestOf(db: Db, p: Plan, by: OrderItem, most: number): Promise<readonly Best[]> {
  const [first, ...rest] = p.joined;
  const isNan = by.entity === 'metric' ? sql`when o.is_nan = 1 then 1` : none;
  const { rows } = await sql<Best>`select b.run_id as id, case when o.value is null then 2 ${isNan} else 0 end as class, o.value
    from ${entriesOf(first!, 'b')} ${joinEntries(p, rest, 'b', 'run_id')}
    left join ${entriesOf(by, 'o')} on o.workspace_id = b.workspace_id and o.run_id = b.run_id and o.key = ${by.key}
    where ${entryIs(p, first!, 'b')} order by class, o.value ${sql.raw(by.descending ? 'desc' : 'asc')} limit ${most}`.execute(db);
  return rows;
}

/** The same, whatever the order is: all that match are looked at. */
async function findByAll(db: Db, { plan, begins, fewest }: Begin, few: number): Promise<RunRow[]> {
  const [by] = plan.order;
  if (begins) return rowsOf(db, plan, beginWithEntries(plan));
  // Very many match: they are found soon enough along the index of the order, unless that was tried before.
  if (fewest === few && by?.entity === 'metric' && (plan.order.length > 1 || plan.after)) {
    const rows = await rowsOf(db, plan, walkAlongOrder(plan, by));
    if (rows.length === plan.limit) return rows;
  }
  return rowsOf(db, plan, beginWithRuns(plan));
}

/** Where the fewest rows have to be looked at; undefined if nothing can match. */
async function planOf(db: Db, q: RunSearch): Promise<Begin | undefined> {
  const { few = FEW } = q;
  const joined: Clause[] = [];
  const others: Clause[] = [];
  let begins = false;
  let fewest = await countUpTo(db, few, runsWithin(q));
  for (const clause of q.clauses) {
    if (!(clause.entity in tables) || clause.op === 'IS NULL' || joined.length === MOST_JOINED) {
      others.push(clause);
      continue;
    }
    const count = isIndexed(clause) ? await countUpTo(db, few, sql`${entriesOf(clause, 'e')} where ${entryIs(q, clause, 'e')}`) : few;
    if (count < fewest) {
      begins = true;
      fewest = count;
      joined.unshift(clause);
    } else joined.push(clause);
  }
  return fewest === 0 ? undefined : { plan: { ...q, joined, others }, begins, fewest };
}

interface Plan extends RunSearch {
  /** Clauses on entries that a run must have; the first of them is the one to begin with. */
  readonly joined: readonly Clause[];
  readonly others: readonly Clause[];
}

const and = (conditions: readonly RawBuilder<unknown>[]) => sql.join([...conditions], sql` and `);
const none = sql``;

async function countUpTo(db: Db, few: number, from: RawBuilder<unknown>): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*) as n from (select 1 as one from ${from} limit ${few}) few`.execute(db);
  return Number(rows[0]!.n);
}

async function rowsOf(db: Db, q: RunSearch, query: RawBuilder<{ id: string }>): Promise<RunRow[]> {
  const ids = (await query.execute(db)).rows.map((r) => r.id);
  const rows = new Map((await runsById(db, q.workspace, ids)).map((r) => [r.id, r]));
  return ids.map((id) => rows.get(id)!);
}

/** An index leads to the rows that fulfil it. */
const isIndexed = ({ entity, op, value }: Clause): boolean =>
  entity === 'metric' ? op !== '!=' : op === '=' && isIndexedValue(String(value));

const entriesOf = (clause: Pick<Clause, 'entity'>, alias: string) => sql.raw(`${tables[clause.entity]!} ${alias}`);

/** The condition on entries alone. */
function entryIs(q: RunSearch, { entity, key, op, value }: Clause, alias: string): RawBuilder<unknown> {
  const of = sql`${sql.raw(alias)}.workspace_id = ${q.workspace} and ${sql.raw(alias)}.key = ${key}`;
  if (op === 'IS NOT NULL') return of;
  const short = entity !== 'metric' && isIndexed({ entity, key, op, value });
  const column = sql.raw(`${alias}.${short ? 'short_value' : 'value'}`);
  return sql`${of} and ${compare(column, op, value, q.dialect)}`;
}

// SQLite takes the tables of a cross join in their order; PostgreSQL has statistics to choose by.
const joinIn = (q: RunSearch) => sql.raw(q.dialect === 'sqlite' ? 'cross join' : 'join');

/** Joins to the run that `workspace` and `run` name. */
const joinEntries = (q: RunSearch, clauses: readonly Clause[], owner: string, run: string) =>
  clauses.length === 0
    ? none
    : sql.join(
        clauses.map((clause, i) => {
          const alias = `j${i}`;
          const on = sql.raw(`${alias}.workspace_id = ${owner}.workspace_id and ${alias}.run_id = ${owner}.${run}`);
          return sql`${joinIn(q)} ${entriesOf(clause, alias)} on ${on} and ${entryIs(q, clause, alias)}`;
        }),
        sql` `,
      );

const joinRuns = (q: RunSearch, owner: string) =>
  sql`${joinIn(q)} tracking_runs r on ${sql.raw(`r.workspace_id = ${owner}.workspace_id and r.id = ${owner}.run_id`)}`;

const runsWithin = (q: RunSearch) => sql`tracking_runs r where ${and([ofWorkspace(q), q.within])}`;
const ofWorkspace = (q: RunSearch) => sql`r.workspace_id = ${q.workspace}`;

const conditionsOf = (p: Plan) =>
  and([
    ofWorkspace(p),
    p.within,
    ...p.conditions,
    ...(p.after ?? []),
    ...p.others.map((c) => clauseSql(runLanguage, runSources, c, p.dialect)),
  ]);

/** From the entries of the first clause to the runs. */
function beginWithEntries(p: Plan): RawBuilder<{ id: string }> {
  const { joins, terms } = ordering(p, p.order);
  return sql`select r.id ${fromEntries(p, joins)} ${page(p, terms)}`;
}

function fromEntries(p: Plan, joins: RawBuilder<unknown>): RawBuilder<unknown> {
  const [first, ...rest] = p.joined;
  return sql`from ${entriesOf(first!, 'b')} ${joinEntries(p, rest, 'b', 'run_id')} ${joinRuns(p, 'b')} ${joins}
    where ${entryIs(p, first!, 'b')} and ${conditionsOf(p)}`;
}

function beginWithRuns(p: Plan): RawBuilder<{ id: string }> {
  const { joins, terms } = ordering(p, p.order);
  return sql`select r.id ${fromRuns(p, joins)} ${page(p, terms)}`;
}

const fromRuns = (p: Plan, joins: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`from tracking_runs r ${joinEntries(p, p.joined, 'r', 'id')} ${joins} where ${conditionsOf(p)}`;

/** Along the values of a metric in their order; finds no runs that lack it or have NaN, which come after all others. */
function walkAlongOrder(p: Plan, by: OrderItem): RawBuilder<{ id: string }> {
  const { joins, terms } = ordering(p, p.order.slice(1));
  const along = sql`w.value ${sql.raw(by.descending ? 'desc' : 'asc')}`;
  return sql`select r.id from latest_metrics w ${p.dialect === 'sqlite' ? sql.raw(INDEX_OF_VALUES) : none} ${joinEntries(p, p.joined, 'w', 'run_id')} ${joinRuns(p, 'w')} ${joins}
    where w.workspace_id = ${p.workspace} and w.key = ${by.key} and w.is_nan = 0 and ${conditionsOf(p)} ${page(p, [along, ...terms])}`;
}

const page = (q: RunSearch, terms: readonly RawBuilder<unknown>[]) =>
  sql`order by ${sql.join([...terms, sql`r.id asc`])} limit ${q.limit} offset ${q.offset}`;

const isStart = ({ entity, key }: OrderItem): boolean => entity === 'attribute' && runLanguage.attributes[key]!.column === 'r.start_ms';

function ordering(q: RunSearch, items: readonly OrderItem[]): { joins: RawBuilder<unknown>; terms: RawBuilder<unknown>[] } {
  const joins: RawBuilder<unknown>[] = [];
  const terms = items.flatMap((item) => {
    if (item.descending && isStart(item)) return [sql.raw(NEWEST_FIRST)];
    if (!(item.entity in tables) || joins.length === MOST_JOINED) return orderTerms(runLanguage, runSources, item, q.dialect);
    const alias = `o${joins.length}`;
    const on = sql.raw(`${alias}.workspace_id = r.workspace_id and ${alias}.run_id = r.id and ${alias}.key =`);
    joins.push(sql`left join ${entriesOf(item, alias)} on ${on} ${item.key}`);
    const [value, isNan] = [sql.raw(`${alias}.value`), sql.raw(`when ${alias}.is_nan = 1 then 1`)];
    return [
      sql`case when ${value} is null then 2 ${item.entity === 'metric' ? isNan : none} else 0 end`,
      sql`${value} ${sql.raw(item.descending ? 'desc' : 'asc')}`,
    ];
  });
  // The newest first, unless the order says something about the start itself.
  if (!q.order.some(isStart)) terms.push(sql.raw(NEWEST_FIRST));
  return { joins: joins.length === 0 ? none : sql.join(joins, sql` `), terms };
}
