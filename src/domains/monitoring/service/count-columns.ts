// Counts of columns on the bins of their baselines, made by DuckDB: one pass for all numeric columns, one group-by
// for all categorical ones. The records themselves stay in the compute process.

import {
  countCategoriesOf,
  numericCounts,
  type CategoricalBaseline,
  type ColumnBaseline,
  type ColumnCounts,
  type NumericBaseline,
  type ValueCount,
} from '../../../stats/drift-sketch.ts';

export interface WantedColumn {
  readonly column: string;
  readonly baseline: ColumnBaseline;
  /** SQL of the value within the source. */
  readonly sql: string;
  /** DuckDB's name of its type. */
  readonly type: string;
}

type Row = Readonly<Record<string, unknown>>;

/** Of a categorical column with more values than this, the rarest are told only by their number. */
const MOST_VALUES = 10_000;

/** A number as a literal of DuckDB that reads back as the same number; a cast for each edge would take longer than the counting. */
const number = (x: number): string => (/e/.test(`${x}`) ? `${x}` : `${x}e0`);

const asNumber = (sql: string, type: string): string =>
  type === 'BOOLEAN' ? `(${sql})::integer::double` : /^(VARCHAR|JSON|ENUM)/.test(type) ? `try_cast(${sql} as double)` : `(${sql})::double`;

const isText = (type: string): boolean => /^(VARCHAR|JSON|ENUM)/.test(type);

/**
 * SQL whose rows `readCounts` turns into counts per group. `source` is a query with a column `w` (any integer) and the
 * columns that the wanted ones read.
 */
export function countingSql(source: string, wanted: readonly WantedColumn[]): string {
  const numeric = wanted.map((c, i) => ({ ...c, i })).filter((c) => c.baseline.kind === 'numeric');
  const categorical = wanted.map((c, i) => ({ ...c, i })).filter((c) => c.baseline.kind === 'categorical');
  const values = [
    ...numeric.flatMap(({ i, sql, type }) => [
      `${asNumber(sql, type)} as x${i}`,
      ...(isText(type) ? [`(${sql}) is not null as p${i}`] : []),
    ]),
    ...categorical.map(({ i, sql }) => `(${sql}) is not null as p${i}`),
  ];
  const finite = numeric.map(({ i }) => `case when isfinite(x${i}) then x${i} end as f${i}`);
  const aggregates = [
    ...numeric.map(({ i, type, baseline }) => numericAggregate(i, isText(type), baseline as NumericBaseline)),
    ...categorical.map(({ i }) => `{'present': count_if(p${i})} as c${i}`),
  ];
  const parts = [
    `select 'columns' as part, w, count(*) as n${aggregates.map((a) => `, ${a}`).join('')}
     from (select *${finite.map((f) => `, ${f}`).join('')} from (select w${values.map((v) => `, ${v}`).join('')} from (${source}))) group by w`,
    ...(categorical.length === 0
      ? []
      : [
          // A row of the answer is as wide as all columns together, so the values of a column come as lists.
          `select 'values' as part, w, k, list(v order by c desc, v) as vs, list(c order by c desc, v) as cs from (
           select w, k, v, count(*) as c from (${categorical
             .map(({ i, sql }) => `select w, ${i} as k, (${sql})::varchar as v from (${source})`)
             .join(' union all ')}) where v is not null
           group by w, k, v qualify row_number() over (partition by w, k order by count(*) desc, v) <= ${MOST_VALUES}) group by w, k`,
        ]),
  ];
  return parts.map((p) => `(${p})`).join(' union all by name ');
}

function numericAggregate(i: number, text: boolean, { edges, reference }: NumericBaseline): string {
  const f = `f${i}`;
  const bins = edges.length === 0 ? `[count(${f})]` : `map_values(histogram(${f}, [${edges.map(number).join(', ')}]))`;
  const outside = (compare: string, bound: number | null): string => (bound === null ? '0' : `count_if(${f} ${compare} ${number(bound)})`);
  return `{'present': ${text ? `count_if(p${i})` : `count(x${i})`}, 'numbers': count(x${i}), 'finite': count(${f}),
    'below': ${outside('<', reference.min)}, 'above': ${outside('>', reference.max)}, 'bins': ${bins},
    'mean': avg(${f}), 'variance': var_pop(${f}), 'least': min(${f}), 'most': max(${f})} as c${i}`;
}

interface ValuesRow {
  readonly vs: readonly string[];
  readonly cs: readonly number[];
}

interface NumericRow {
  readonly present: number;
  readonly numbers: number;
  readonly finite: number;
  readonly below: number;
  readonly above: number;
  readonly bins: readonly number[] | null;
  readonly mean: number | null;
  readonly variance: number | null;
  readonly least: number | null;
  readonly most: number | null;
}

/** Group -> column -> counts, from the rows of `countingSql`. */
export function readCounts(rows: readonly Row[], wanted: readonly WantedColumn[]): Map<number, Map<string, ColumnCounts>> {
  const valuesOf = new Map(
    rows.filter((r) => r.part === 'values').map((r) => [`${r.w as number} ${r.k as number}`, r as unknown as ValuesRow] as const),
  );
  return new Map(
    rows
      .filter((r) => r.part === 'columns')
      .map((r) => {
        const n = r.n as number;
        const counts = wanted.map(({ column, baseline }, i): [string, ColumnCounts] => {
          const found = r[`c${i}`] as NumericRow;
          if (baseline.kind === 'numeric') return [column, toNumeric(baseline, n, found)];
          const held = valuesOf.get(`${r.w as number} ${i}`);
          const values = held ? held.vs.map((v, at): ValueCount => [v, held.cs[at]!]) : [];
          return [column, toCategorical(baseline, n, found.present, values)];
        });
        return [r.w as number, new Map(counts)];
      }),
  );
}

function toNumeric(baseline: NumericBaseline, n: number, r: NumericRow): ColumnCounts {
  const bins = [...(r.bins ?? [])];
  // DuckDB tells the last, open bin only where something lies in it.
  while (bins.length < baseline.edges.length + 1) bins.push(0);
  return numericCounts(baseline, {
    bins,
    nulls: n - r.present,
    mistyped: r.present - r.numbers,
    notFinite: r.numbers - r.finite,
    below: r.below,
    above: r.above,
    moments: { n: r.finite, mean: r.mean ?? 0, m2: (r.variance ?? 0) * r.finite },
    min: r.least,
    max: r.most,
  });
}

function toCategorical(baseline: CategoricalBaseline, n: number, present: number, values: readonly ValueCount[]): ColumnCounts {
  const counts = countCategoriesOf(baseline, values, { nulls: n - present });
  // What was too rare to be named: the baseline's rare ones, or new ones where it knows all of its own.
  const unnamed = present - counts.n;
  if (unnamed === 0 || counts.kind !== 'categorical') return counts;
  return baseline.rare === null
    ? { ...counts, n: present, other: counts.other + unnamed }
    : { ...counts, n: present, unseen: counts.unseen + unnamed };
}

/** What a column is to a detector; undefined for one that is neither numbers nor categories. */
export const columnKind = (type: string): 'numeric' | 'categorical' | undefined =>
  /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL)/.test(type)
    ? 'numeric'
    : /^(VARCHAR|ENUM|BOOLEAN)/.test(type)
      ? 'categorical'
      : undefined;
