// What a column of a SELECT comes from, and the small algebra of it. Pure.

/** `direct`: its value is computed from these. `indirect`: they decide which rows there are, or how they are grouped. Keys are `table.column`. */
export interface Flow {
  readonly direct: ReadonlySet<string>;
  readonly indirect: ReadonlySet<string>;
}

export interface Column {
  /** null: DuckDB names it after its expression. */
  readonly name: string | null;
  readonly flow: Flow;
}

/** What a SELECT gives, in its order. */
export interface Query {
  readonly columns: readonly Column[];
  /** A table whose columns are not known, and all of which are among these. */
  readonly open: string | null;
  /** What decides which rows there are, whatever columns are taken of them. */
  readonly condition: Flow;
}

export const NONE: Flow = { direct: new Set(), indirect: new Set() };
export const union = (...flows: readonly Flow[]): Flow => ({
  direct: new Set(flows.flatMap((f) => [...f.direct])),
  indirect: new Set(flows.flatMap((f) => [...f.indirect])),
});
export const flowsOf = (columns: readonly Column[]): Flow => union(...columns.map((c) => c.flow));
export const asCondition = (...flows: readonly Flow[]): Flow => ({
  direct: new Set(),
  indirect: new Set(flows.flatMap((f) => [...f.direct, ...f.indirect])),
});
const sizeOf = (columns: readonly Column[]): number => columns.reduce((n, { flow }) => n + flow.direct.size + flow.indirect.size, 0);

/** Every column under the same condition. */
export const under = (condition: Flow, columns: readonly Column[]): Column[] =>
  columns.map(({ name, flow }) => ({ name, flow: union(flow, condition) }));

/** With other names, as a list of them after a table gives. */
export const renamed = (query: Query, names: readonly string[]): Query =>
  names.length === 0 ? query : { ...query, columns: query.columns.map((c, i) => ({ ...c, name: names[i] ?? c.name })) };

/** Each name once, as DuckDB writes them where a name comes again: a, a_1, a_2. */
export function told<C extends { readonly name: string | null }>(columns: readonly C[]): C[] {
  const taken = new Set<string>();
  return columns.map((column) => {
    const { name } = column;
    if (name === null) return column;
    let free = name;
    for (let i = 1; taken.has(free.toLowerCase()); i++) free = `${name}_${i}`;
    taken.add(free.toLowerCase());
    return free === name ? column : { ...column, name: free };
  });
}

/**
 * Both sides of UNION, INTERSECT or EXCEPT: by position or by name. Only a UNION takes values of its right side. What is
 * there once only is so by all its columns: that counts for whoever asks how many rows there are.
 */
export function merged(left: Query, right: Query, kind: 'all' | 'distinct' | 'left only', byName: boolean): Query {
  const open = left.open ?? right.open;
  const same = (a: Column, b: Column): boolean => a.name !== null && a.name.toLowerCase() === b.name?.toLowerCase();
  const other = (c: Column, i: number): Flow => (byName ? right.columns.find((r) => same(c, r)) : right.columns[i])?.flow ?? NONE;
  const sides = asCondition(flowsOf(left.columns), flowsOf(right.columns));
  const condition = union(left.condition, right.condition, kind === 'all' ? NONE : sides);
  if (kind === 'left only') return { columns: under(sides, left.columns), open, condition };
  const columns = left.columns.map((c, i) => ({ name: c.name, flow: union(c.flow, other(c, i)) }));
  const added = byName ? right.columns.filter((r) => !left.columns.some((c) => same(c, r))) : [];
  return { columns: [...columns, ...added], open, condition };
}

/** The rows that a recursive SELECT makes of its own rows, until nothing new comes. */
export function grown(seed: Query, step: (so: Query) => Query): Query {
  let now = seed;
  for (let size = -1; size !== sizeOf(now.columns);) {
    size = sizeOf(now.columns);
    now = step(now);
  }
  return now;
}
