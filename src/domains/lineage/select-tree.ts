// Reading DuckDB's syntax tree of a SELECT: its parts, and what they are called. Pure.

export type Json = Readonly<Record<string, unknown>>;
export const isObject = (x: unknown): x is Json => typeof x === 'object' && x !== null && !Array.isArray(x);
export const list = (x: unknown): readonly unknown[] => (Array.isArray(x) ? x : []);
export const text = (x: unknown): string => (typeof x === 'string' ? x : '');

/** What an item of a SELECT list is called; null = DuckDB names it after its expression. */
export const nameOf = (item: Json): string | null => text(item.alias) || text(list(item.column_names).at(-1)) || null;

/** The place that GROUP BY 1 or ORDER BY 2 speaks of, from 0; -1 = it is an expression. */
export function position(key: unknown): number {
  const value = isObject(key) && key.class === 'CONSTANT' && isObject(key.value) ? key.value.value : undefined;
  return Number.isInteger(value) ? Number(value) - 1 : -1;
}

/** Whether an expression, not counting queries within it, has a "*" that makes several columns of it. */
export function hasStar(part: unknown, isNamed: boolean): boolean {
  if (Array.isArray(part)) return part.some((p) => hasStar(p, isNamed));
  if (!isObject(part) || part.class === 'SUBQUERY') return false;
  // All of them as the arguments of one function.
  if (part.type === 'OPERATOR_UNPACK' && isNamed) return false;
  return part.class === 'STAR' || Object.values(part).some((p) => hasStar(p, isNamed));
}

const aggregates =
  /^(count(_star|_if)?|sum(_no_overflow)?|avg|mean|min|max|(arg|min|max)_(min|max|by).*|median|mode|quantile.*|approx_.*|std.*|var.*|list|array_agg|string_agg|group_concat|listagg|first|last|any_value|arbitrary|bool_(and|or)|bit_.*|corr|covar_.*|regr_.*|entropy|kurtosis.*|skewness|histogram.*|product|fsum|kahan_sum|favg|mad|sem|geomean|geometric_mean)$/;
/** Whether an item is one that GROUP BY ALL groups by: it has no aggregate. */
export function isKey(part: unknown): boolean {
  if (Array.isArray(part)) return part.every(isKey);
  if (!isObject(part)) return true;
  if (part.class === 'SUBQUERY') return true;
  if (part.class === 'FUNCTION' && aggregates.test(text(part.function_name).toLowerCase())) return false;
  return Object.values(part).every(isKey);
}

/** Functions whose "->" is a function; everywhere else it takes a member of a JSON. */
export const takesLambda = (part: Json): boolean =>
  part.class === 'FUNCTION' && /^((list|array)_)?(transform|apply|filter|reduce)$/.test(text(part.function_name).toLowerCase());

/** Names of a lambda's parameters. */
export function namesIn(part: unknown): string[] {
  if (Array.isArray(part)) return part.flatMap(namesIn);
  if (!isObject(part)) return [];
  if (part.class === 'COLUMN_REF') return list(part.column_names).map((n) => text(n).toLowerCase());
  return Object.values(part).flatMap(namesIn);
}

const single = ['range', 'generate_series', 'unnest'];
/** The columns that a function in FROM gives. `all`: there are no others. */
export function sourceNames(
  called: unknown,
  names: readonly string[],
): { readonly name: string; readonly known: readonly string[]; readonly all: boolean } {
  const name = isObject(called) ? text(called.function_name).toLowerCase() : '';
  return single.includes(name) ? { name, known: names.length > 0 ? names : [name], all: true } : { name, known: names, all: false };
}

export interface Star {
  /** The table before the point, in lower case; '' = all. */
  readonly only: string;
  readonly leavesOut: (table: string, column: string) => boolean;
  readonly callsIt: (table: string, column: string) => string | undefined;
  /** By name in lower case. */
  readonly puts: ReadonlyMap<string, { readonly name: string; readonly value: unknown }>;
}

/** A "*" with what EXCLUDE, RENAME and REPLACE say of it. */
export function starOf(item: Json): Star {
  const key = (table: unknown, column: unknown): string => `${text(table)}\0${text(column)}`.toLowerCase();
  const left = new Set([
    ...list(item.exclude_list).map((x) => key('', x)),
    ...list(item.qualified_exclude_list).map((x) => (isObject(x) ? key(x.table, x.column) : '')),
  ]);
  const names = new Map(
    list(item.rename_list).flatMap((r) =>
      isObject(r) && isObject(r.key) ? [[key(r.key.table, r.key.column), text(r.value)] as const] : [],
    ),
  );
  const puts = list(item.replace_list).flatMap((r) =>
    isObject(r) ? [[text(r.key).toLowerCase(), { name: text(r.key), value: r.value }] as const] : [],
  );
  return {
    only: text(item.relation_name).toLowerCase(),
    leavesOut: (table, column) => left.has(key('', column)) || left.has(key(table, column)),
    callsIt: (table, column) => names.get(key('', column)) ?? names.get(key(table, column)),
    puts: new Map(puts),
  };
}
