// SQL of a view and of the point-in-time join. User SQL stays apart from ours: it fills a table, ours reads it.
import { sqlName } from '../../kernel/compute/compute.ts';
import type { DatasetDefinition, FeatureViewDefinition } from '../projects/public.ts';
import { featureType } from './model.ts';

/** The user's part: entity, features, occurred_at, known_at from the dataset's table. */
export function viewSource(view: FeatureViewDefinition, dataset: DatasetDefinition, sqlText: string | null): string {
  if (sqlText !== null) return sqlText;
  const beginning = `timestamp '1900-01-01'`;
  const occurred = dataset.occurredAt === null ? beginning : `(${dataset.occurredAt}\n)::timestamp`;
  const known = dataset.knownAt === null ? beginning : `(${dataset.knownAt}\n)::timestamp`;
  return `select ${[...view.entity, ...view.columns].map(sqlName).join(', ')}, ${occurred} as occurred_at, ${known} as known_at from ${sqlName(dataset.name)}`;
}

/**
 * The envelope of the table `source`: one row per key and moment of knowing, in that order, without a row
 * that occurred before one already known. An equal `occurred_at` known later is a correction and stays.
 * Rows with a NULL key or time never match anything and are left out.
 */
export function envelopeSql(view: FeatureViewDefinition, types: ReadonlyMap<string, string>): string {
  const keys = view.entity.map(sqlName).join(', ');
  const features = view.columns.map(sqlName).join(', ');
  const values = view.columns.map((c) => `${valueSql(sqlName(c), types.get(c) ?? '')} as ${sqlName(c)}`).join(', ');
  const known = [...view.entity.map(sqlName), 'occurred_at', 'known_at'].map((c) => `${c} is not null`).join(' and ');
  return `
    select ${keys}, ${features}, occurred_us, known_us from (
      select *, max(occurred_us) over (partition by ${keys} order by known_us rows between unbounded preceding and 1 preceding) as before_us
      from (
        select ${keys}, ${values}, epoch_us(occurred_at::timestamp) as occurred_us, epoch_us(known_at::timestamp) as known_us
        from source where ${known}
        qualify row_number() over (partition by ${keys}, known_at order by occurred_at desc, to_json([${view.columns.map((c) => `${sqlName(c)}::varchar`).join(', ')}])::varchar desc) = 1
      )
    ) where before_us is null or occurred_us >= before_us
    order by ${keys}, known_us`;
}

// What the online store can hold, so that training sees the same: every number is a double or an integer of
// 64 bits, and NaN is no value.
function valueSql(column: string, type: string): string {
  if (type === 'FLOAT' || type === 'DOUBLE') return `case when isnan(${column}) then null else ${column} end`;
  return featureType(type) === 'number' ? `${column}::double` : column;
}

export interface JoinedView {
  readonly view: FeatureViewDefinition;
  /** Name of the materialised table in the job. */
  readonly table: string;
}

/** One row per row of `spine`, in its order: request columns, features as known at `at_us`, label. */
export function joinSql(request: readonly string[], slices: readonly string[], views: readonly JoinedView[]): string {
  const joins = views.map(({ view, table }, i) => {
    const on = view.entity.map((e) => `s.${sqlName(e)} = v${i}.${sqlName(e)}`).join(' and ');
    return `asof left join ${sqlName(table)} v${i} on ${on} and s.at_us >= v${i}.known_us`;
  });
  const features = views.flatMap(({ view }, i) =>
    view.columns.map((c) => {
      const value = `v${i}.${sqlName(c)}`;
      return `${view.ttlUs === null ? value : `case when v${i}.occurred_us >= s.at_us - ${view.ttlUs} then ${value} end`} as ${sqlName(c)}`;
    }),
  );
  const plain = [...new Set([...request, ...slices])].map((c) => `s.${sqlName(c)}`);
  return `select s.row_key, s.at_us, ${[...plain, ...features].join(', ')}, s.label from spine s ${joins.join('\n')} order by s.at_us, s.row_key`;
}
