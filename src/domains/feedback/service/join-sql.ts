// Labels joined with their predictions, as SQL. Pure.
import { sqlName, sqlText, type Statement } from '../../../kernel/compute/compute.ts';
import { WINDOWS_BEGIN_US } from '../../../kernel/timeline/windows.ts';
import type { LoggedColumn, LoggedColumns } from '../../serving/public.ts';
import { DAY_US, MAX_ROWS, PATIENCE_US } from '../model.ts';

export interface JoinQuery {
  /** Staged path, number and moment of acceptance of each new batch. */
  readonly batches: readonly { readonly path: string; readonly seq: number; readonly acceptedUs: number }[];
  readonly hasWaiting: boolean;
  readonly hasLog: boolean;
  readonly hasEarlier: boolean;
  readonly logged: LoggedColumns;
  readonly keys: readonly (readonly string[])[];
  readonly slices: readonly string[];
  readonly windowUs: number;
  readonly withinUs: number;
  readonly horizonUs: number;
  readonly nowUs: number;
  readonly joinedPath: string;
  readonly waitingPath: string;
}

const FIXED = ['prediction_id', 'event_us', 'score', 'label', 'label_at_us', 'accepted_us', 'seq', 'variant', 'model_version'];

/** Where a column of the request, or else of the inputs, is in the log; undefined if it is in none. */
export function placeOf(logged: LoggedColumns, name: string): { readonly sql: string; readonly type: LoggedColumn['type'] } | undefined {
  for (const struct of ['request', 'inputs'] as const) {
    const column = logged[struct].find((c) => c.name === name);
    if (column) return { sql: `${struct}.${sqlName(column.name)}`, type: column.type };
  }
  return undefined;
}

// 7 and 7.0 are one key; a text keeps its zeros.
const asNumberText = (sql: string): string => `regexp_replace(${sql}, '\\.0$', '')`;

/** A key column of the log as text. */
export function loggedText(logged: LoggedColumns, name: string): string {
  const place = placeOf(logged, name);
  if (!place) return 'null::varchar';
  return place.type === 'number' ? asNumberText(`${place.sql}::varchar`) : `${place.sql}::varchar`;
}

/** The same of a label, so that both are one text if they mean the same. */
const labelText = (logged: LoggedColumns, name: string): string => {
  const text = `json_extract_string(k, ${sqlText(`/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`)})`;
  const type = placeOf(logged, name)?.type;
  return type === 'number' || type === 'integer' ? asNumberText(text) : text;
};

/** Slice columns of a joined file: the name, or slice_<name> where a column of the file has it. */
export const sliceName = (name: string): string => (FIXED.includes(name.toLowerCase()) ? `slice_${name}` : name);

export function joinStatements(q: JoinQuery): Statement[] {
  const seqs = q.batches.map((b) => `(${sqlText(b.path)}, ${b.seq}::bigint, ${b.acceptedUs}::bigint)`).join(', ');
  const fresh =
    q.batches.length === 0
      ? []
      : [
          `select s.seq, s.accepted_us, r, p, k::varchar as k, t, l, o from labels join (values ${seqs}) s(file, seq, accepted_us) on labels.file = s.file`,
        ];
  const waiting = q.hasWaiting ? ['select seq, accepted_us, r, p, k, t, l, o from waiting'] : [];
  const taken = `id as prediction_id, "eventTimeUs" as event_us, score, variant, "modelVersion" as model_version${q.slices
    .map((s) => `, ${placeOf(q.logged, s) ? `${placeOf(q.logged, s)!.sql}::varchar` : 'null::varchar'} as ${sqlName(sliceName(s))}`)
    .join('')}`;
  const found = (label: string, on: string): string =>
    `select l.q, l.seq, l.accepted_us, l.l, l.o, g.* from (${label}) l join log_rows g on ${on}`;
  const byKey = q.keys.flatMap((names, i) => {
    const own = `select *, ${names.map((n, c) => `${labelText(q.logged, n)} as a${c}`).join(', ')} from l where k is not null and list_sort(json_keys(k::json)) = [${[...names].sort().map(sqlText).join(', ')}]`;
    const on = names.map((_, c) => `l.a${c} = g."gyre_${i}_${c}"`).join(' and ');
    return [
      found(`${own} and t is not null`, `l.t = g.event_us and ${on}`),
      `select * from (${found(`${own} and t is null`, `g.event_us between ${q.nowUs - q.horizonUs} and ${q.nowUs} and ${on}`)})`,
    ];
  });
  const keyColumns = q.keys.flatMap((names, i) => names.map((n, c) => `, ${loggedText(q.logged, n)} as "gyre_${i}_${c}"`)).join('');
  const slices = q.slices.map((s) => `, ${sqlName(sliceName(s))}`).join('');
  const log = q.hasLog
    ? `select ${taken}${keyColumns} from log`
    : `select null::varchar as prediction_id, null::bigint as event_us, null::double as score, null::varchar as variant, null::varchar as model_version${q.slices
        .map((s) => `, null::varchar as ${sqlName(sliceName(s))}`)
        .join('')}${q.keys.flatMap((names, i) => names.map((_, c) => `, null::varchar as "gyre_${i}_${c}"`)).join('')} where false`;
  return [
    { sql: `create table l as select *, seq * ${MAX_ROWS} + r as q from (${[...fresh, ...waiting].join(' union all ')})` },
    { sql: `create view log_rows as ${log}` },
    {
      sql: `create table m0 as select distinct on (q, prediction_id) q, seq, accepted_us, l as label, o, prediction_id, event_us, score, variant, model_version${slices}
        from (${[found('select * from l where p is not null', 'l.p = g.prediction_id'), ...byKey].join(' union all by name ')})`,
    },
    // A key without a moment that fits predictions of several moments says nothing.
    {
      sql: `create table vague as select q from m0 join l using (q) where k is not null and t is null group by q having count(distinct event_us) > 1`,
    },
    { sql: `create table m as select * from m0 where q not in (from vague)` },
    {
      sql: `create table earlier as select distinct prediction_id, seq as q, label from ${
        q.hasEarlier
          ? `joined where prediction_id in (select prediction_id from m) and event_us between (select min(event_us) from m) and (select max(event_us) from m)`
          : `(select null::varchar as prediction_id, null::bigint as seq, null::double as label) where false`
      }`,
    },
    {
      sql: `create table chain as select *, lag(q) over o as q_before, lag(label) over o as label_before,
        max(case when old then q end) over p as q_old, from (
          select prediction_id, q, label, true as old from earlier where q not in (select q from m)
          union all select prediction_id, q, label, false from m)
        window o as (partition by prediction_id order by q), p as (partition by prediction_id)`,
    },
    // What came first: a label that was late to find its prediction is held against the newest that was there.
    {
      sql: `create table judged as select c.prediction_id, c.q,
        case when c.q_before is not null then case when c.label is not distinct from c.label_before then 2 else 1 end
          when c.q_old is not null then case when c.label is not distinct from e.label then 2 else 1 end
          when c.label is null then 2 else 0 end as kind
        from chain c left join earlier e on e.prediction_id = c.prediction_id and e.q = c.q_old where not c.old`,
    },
    {
      sql: `create table rows_judged as select m.q, any_value(m.seq) as seq, min(kind) as kind,
        bool_or(kind < 2 and m.accepted_us > ((m.event_us - ${WINDOWS_BEGIN_US}) // ${q.windowUs} + 1) * ${q.windowUs} + ${WINDOWS_BEGIN_US + q.withinUs}) as late
        from m join judged j on j.q = m.q and j.prediction_id = m.prediction_id group by m.q`,
    },
    {
      sql: `create table left_over as select l.*, q in (from vague) or accepted_us + ${q.withinUs + PATIENCE_US} < ${q.nowUs} as unknown from l where q not in (select q from m)`,
    },
    {
      sql: `copy (select prediction_id, event_us, score, label, coalesce(o, accepted_us) as label_at_us, accepted_us, q as seq, variant, model_version${slices}
        from m order by event_us, prediction_id, q) to ${sqlText(q.joinedPath)} (format parquet, compression zstd, row_group_size 8192)`,
    },
    {
      sql: `copy (select seq, accepted_us, r, p, k, t, l, o from left_over where not unknown order by seq, r) to ${sqlText(q.waitingPath)} (format parquet, compression zstd)`,
    },
  ];
}

/** What a join answers, in one row. */
export interface JoinFound {
  readonly counts: readonly {
    readonly seq: number;
    readonly joined: number;
    readonly duplicate: number;
    readonly corrected: number;
    readonly late: number;
    readonly unknown: number;
    readonly waiting: number;
  }[];
  readonly days: readonly {
    readonly dayUs: number;
    readonly labels: number;
    readonly changed: number;
    readonly fromUs: number;
    readonly toUs: number;
  }[];
  readonly firstWaitingUs: number | null;
  readonly segments: readonly string[];
  readonly waitingDays: readonly number[];
  readonly open: boolean;
  readonly waitingKeys: readonly (readonly string[])[];
}

/** `idsTell`: prediction ids say which file they are in. */
export const joinAnswer = (idsTell: boolean): string => {
  const list = (query: string): string => `coalesce((select list(x) from (${query}) x), [])`;
  const form = `regexp_matches(p, '^[a-z0-9][a-z0-9-]{0,62}\\.[0-9a-z]{1,20}\\.\\d{1,10}$')`;
  return `with w as (select * from left_over where not unknown)
    select ${list(`select seq, count(*) filter (kind = 0) as joined, count(*) filter (kind = 2) as duplicate, count(*) filter (kind = 1) as corrected,
      count(*) filter (late) as late, count(*) filter (kind = 3) as unknown, count(*) filter (kind = 4) as waiting from (
        select seq, kind, late from rows_judged union all select seq, case when unknown then 3 else 4 end, false from left_over) group by seq order by seq`)} as counts,
    ${list(`select event_us // ${DAY_US} * ${DAY_US} as "dayUs", count(*) as labels, count(*) filter (kind < 2) as changed, min(event_us) as "fromUs", max(event_us) as "toUs"
      from m join judged j on j.q = m.q and j.prediction_id = m.prediction_id group by 1 order by 1`)} as days,
    (select min(accepted_us) from w) as "firstWaitingUs",
    coalesce((select list(distinct regexp_extract(p, '^[^.]+\\.[^.]+') order by 1) from w where p is not null and ${idsTell ? form : 'false'}), []) as segments,
    coalesce((select list(distinct t // ${DAY_US} order by 1) from w where k is not null and t is not null), []) as "waitingDays",
    (select coalesce(bool_or((k is not null and t is null) or (p is not null and ${idsTell ? 'false' : 'true'})), false) from w) as open,
    coalesce((select list(distinct list_sort(json_keys(k::json))) from w where k is not null), []) as "waitingKeys"`;
};
