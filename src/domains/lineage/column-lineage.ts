// Which columns a SELECT reads for each column that it gives, from the syntax tree that DuckDB makes of it
// (json_serialize_sql). Pure: names are resolved here by SQL's scoping rules against the columns of the tables.
// What the rules below do not know is told as `coarse`, never guessed.
import { resolve, type Relation, type Scope } from './name-scope.ts';
import { asCondition, flowsOf, grown, merged, NONE, renamed, told, under, union, type Column, type Flow, type Query } from './flow.ts';
import {
  hasStar,
  isKey,
  isObject,
  list,
  namesIn,
  nameOf,
  position,
  sourceNames,
  starOf,
  takesLambda,
  text,
  type Json,
} from './select-tree.ts';

export interface Reading {
  /** In the order of the SELECT list. */
  readonly columns: readonly Column[];
  /** True if a part of the text could not be resolved: then all columns of all tables count for each column given. */
  readonly coarse: boolean;
}

/** Columns by table; null = not known yet, so that any name is taken for one of its columns. */
export type Tables = Readonly<Record<string, readonly string[] | null>>;

type Named = ReadonlyMap<string, Query>;

/** `serialised`: what json_serialize_sql gave for one SELECT. */
export function readColumns(serialised: unknown, tables: Tables): Reading {
  const reader = new SelectReader(tables);
  const statements = isObject(serialised) && serialised.error === false ? list(serialised.statements) : [];
  const node = isObject(statements[0]) ? statements[0].node : undefined;
  const found = reader.query(node, new Map(), null);
  return { columns: told(found.columns), coarse: reader.coarse || found.open !== null || statements.length !== 1 };
}

class SelectReader {
  coarse = false;
  readonly #tables: Map<string, { name: string; columns: readonly string[] | null }>;

  constructor(tables: Tables) {
    this.#tables = new Map(Object.entries(tables).map(([name, columns]) => [name.toLowerCase(), { name, columns }]));
  }

  query(node: unknown, named: Named, outer: Scope | null): Query {
    if (!isObject(node)) return this.#unknown();
    const known = this.#withNamed(node, named, outer);
    if (node.type === 'SELECT_NODE') return this.#select(node, known, outer);
    if (node.type === 'SET_OPERATION_NODE') {
      const [left, right] = [this.query(node.left, known, outer), this.query(node.right, known, outer)];
      const isUnion = text(node.setop_type).startsWith('UNION');
      const kind = !isUnion ? 'left only' : node.setop_all === true ? 'all' : 'distinct';
      return this.#ordered(node, merged(left, right, kind, node.setop_type === 'UNION_BY_NAME'), known, outer);
    }
    if (node.type === 'RECURSIVE_CTE_NODE') {
      const names = list(node.aliases).map(text);
      const seed = renamed(this.query(node.left, known, outer), names);
      return grown(seed, (so) => {
        const again = this.query(node.right, new Map([...known, [text(node.cte_name).toLowerCase(), so]]), outer);
        return merged(so, again, node.union_all === true ? 'all' : 'distinct', false);
      });
    }
    return this.#unknown();
  }

  #unknown(): Query {
    this.coarse = true;
    return { columns: [], open: null, condition: NONE };
  }

  #withNamed(node: Json, named: Named, outer: Scope | null): Named {
    const known = new Map(named);
    for (const entry of list(isObject(node.cte_map) ? node.cte_map.map : [])) {
      if (!isObject(entry) || !isObject(entry.value)) continue;
      const inner = isObject(entry.value.query) ? entry.value.query.node : undefined;
      known.set(text(entry.key).toLowerCase(), renamed(this.query(inner, known, outer), list(entry.value.aliases).map(text)));
    }
    return known;
  }

  #select(node: Json, named: Named, outer: Scope | null): Query {
    const conditions: Flow[] = [];
    const scope: Scope = { relations: [], aliases: new Map(), aliasesFirst: false, parameters: new Set(), outer };
    const filled = { ...scope, relations: this.#from(node.from_table, named, scope, conditions) };
    const columns: Column[] = [];
    const keys: Flow[] = [];
    let open: string | null = null;
    for (const item of list(node.select_list)) {
      if (!isObject(item)) continue;
      if (item.class === 'STAR' && item.columns !== true) {
        open ??= this.#star(item, filled, named, columns);
        continue;
      }
      const [flow, name] = [this.#expression(item, filled, named), nameOf(item)];
      // It stands for several columns, or for none that can be named here.
      if (hasStar(item, name !== null)) this.coarse = true;
      columns.push({ name, flow });
      if (isKey(item)) keys.push(flow);
      if (name !== null) filled.aliases.set(name.toLowerCase(), flow);
    }
    for (const part of ['where_clause', 'having', 'qualify'] as const) conditions.push(this.#expression(node[part], filled, named));
    for (const key of list(node.group_expressions)) conditions.push(columns[position(key)]?.flow ?? this.#expression(key, filled, named));
    const byAll = node.aggregate_handling === 'FORCE_AGGREGATES' && list(node.group_expressions).length === 0;
    if (byAll) conditions.push(...keys);
    conditions.push(this.#modifiers(node, columns, filled, named));
    const condition = asCondition(...conditions);
    const given = under(condition, columns);
    const once = list(node.modifiers).some((m) => isObject(m) && m.type === 'DISTINCT_MODIFIER');
    return { columns: given, open, condition: once ? asCondition(condition, flowsOf(given)) : condition };
  }

  /** ORDER BY, LIMIT and DISTINCT. */
  #modifiers(node: Json, columns: readonly Column[], scope: Scope, named: Named): Flow {
    const inside = { ...scope, aliasesFirst: true };
    const flows = list(node.modifiers).map((m) => {
      if (!isObject(m)) return NONE;
      const on = list(m.distinct_on_targets);
      if (m.type === 'DISTINCT_MODIFIER' && on.length === 0) return NONE;
      if (m.type !== 'ORDER_MODIFIER') return this.#expression({ ...m, class: 'any' }, inside, named);
      const orders = list(m.orders).map((o) => (isObject(o) ? o.expression : o));
      return union(
        ...orders.map((o) =>
          isObject(o) && o.class === 'STAR' ? flowsOf(columns) : (columns[position(o)]?.flow ?? this.#expression(o, inside, named)),
        ),
      );
    });
    return asCondition(...flows);
  }

  /** What stands after a UNION as a whole. */
  #ordered(node: Json, query: Query, named: Named, outer: Scope | null): Query {
    const relation = { alias: '', columns: query.columns, open: query.open, any: null, shared: new Map<string, null>() };
    const scope: Scope = { relations: [relation], aliases: new Map(), aliasesFirst: false, parameters: new Set(), outer };
    const condition = this.#modifiers(node, query.columns, scope, named);
    return { ...query, columns: under(condition, query.columns), condition: union(query.condition, condition) };
  }

  /** Adds what "*" stands for; the table whose columns are not known, if it is among them. */
  #star(item: Json, scope: Scope, named: Named, into: Column[]): string | null {
    const star = starOf(item);
    const given = scope.relations.filter((r) => star.only === '' || r.alias === star.only);
    // The members of a struct, or what a function gives that is not known here.
    if ((star.only !== '' && given.length === 0) || given.some((r) => r.any !== null)) this.coarse = true;
    for (const relation of given)
      for (const { name, flow } of relation.columns) {
        const shared = star.only === '' && name !== null ? relation.shared.get(name.toLowerCase()) : undefined;
        if (shared === null || (name !== null && star.leavesOut(relation.alias, name))) continue;
        const put = star.puts.get(name?.toLowerCase() ?? '');
        if (put) into.push({ name: put.name, flow: this.#expression(put.value, scope, named) });
        else into.push({ name: name === null ? null : (star.callsIt(relation.alias, name) ?? name), flow: shared ?? flow });
      }
    return given.find((r) => r.open !== null)?.open ?? null;
  }

  #from(ref: unknown, named: Named, scope: Scope, conditions: Flow[]): Relation[] {
    if (!isObject(ref)) return [];
    const alias = (text(ref.alias) || text(ref.table_name)).toLowerCase();
    const names = list(ref.column_name_alias).map(text);
    const relation = (q: Query): Relation[] => {
      const { columns, open, condition } = renamed(q, names);
      conditions.push(condition);
      return [{ alias, columns: told(columns), open, any: null, shared: new Map() }];
    };
    switch (ref.type) {
      case 'EMPTY':
        return [];
      case 'BASE_TABLE':
        return relation(this.#table(text(ref.table_name), named));
      case 'SUBQUERY':
        return relation(this.query(isObject(ref.subquery) ? ref.subquery.node : undefined, named, scope));
      case 'JOIN':
        return this.#join(ref, named, scope, conditions);
      case 'EXPRESSION_LIST': {
        const rows = list(ref.values).map((row) => list(row).map((value) => this.#expression(value, scope, named)));
        const columns = (rows[0] ?? []).map((_, i) => ({ name: `col${i}`, flow: union(...rows.map((row) => row[i] ?? NONE)) }));
        return relation({ columns, open: null, condition: NONE });
      }
      case 'TABLE_FUNCTION': {
        const flow = this.#expression({ ...ref, class: 'any' }, scope, named);
        const { name, known, all } = sourceNames(ref.function, names);
        return [
          { alias: alias || name, columns: known.map((name) => ({ name, flow })), open: null, any: all ? null : flow, shared: new Map() },
        ];
      }
      default:
        this.coarse = true;
        return [];
    }
  }

  #join(ref: Json, named: Named, scope: Scope, conditions: Flow[]): Relation[] {
    const left = this.#from(ref.left, named, scope, conditions);
    // A lateral join sees what stands left of it.
    const right = this.#from(ref.right, named, { ...scope, relations: [...scope.relations, ...left] }, conditions);
    const inside = { ...scope, relations: [...left, ...right] };
    conditions.push(this.#expression(ref.condition, inside, named));
    const has = (r: Relation, name: string): boolean =>
      r.shared.get(name) !== null && r.columns.some((c) => c.name?.toLowerCase() === name);
    const using =
      ref.ref_type === 'NATURAL'
        ? left.flatMap((r) => r.columns.map((c) => c.name?.toLowerCase() ?? '')).filter((n) => right.some((r) => has(r, n)))
        : list(ref.using_columns).map((c) => text(c).toLowerCase());
    // What is the same in both may hide in a table that nobody has seen.
    if (ref.ref_type === 'NATURAL' && inside.relations.some((r) => r.open !== null || r.any !== null)) this.coarse = true;
    const join = text(ref.join_type);
    let both = inside.relations;
    for (const name of new Set(using)) {
      const [from, to] = [this.#column([name], { ...scope, relations: left }), this.#column([name], { ...scope, relations: right })];
      conditions.push(from, to);
      const flow = join === 'RIGHT' ? to : join === 'OUTER' || join === 'FULL' ? union(from, to) : from;
      const owner = left.findIndex((r) => has(r, name));
      both = both.map((r, i) =>
        i === owner
          ? { ...r, shared: new Map([...r.shared, [name, flow]]) }
          : has(r, name)
            ? { ...r, shared: new Map([...r.shared, [name, null]]) }
            : r,
      );
    }
    return join === 'SEMI' || join === 'ANTI' ? both.slice(0, left.length) : [...both];
  }

  #table(name: string, named: Named): Query {
    const cte = named.get(name.toLowerCase());
    if (cte) return cte;
    const table = this.#tables.get(name.toLowerCase());
    if (!table) return this.#unknown();
    const columns = (table.columns ?? []).map((c) => ({
      name: c,
      flow: { direct: new Set([`${table.name}.${c}`]), indirect: new Set<string>() },
    }));
    return { columns, open: table.columns === null ? table.name : null, condition: NONE };
  }

  #expression(part: unknown, scope: Scope, named: Named): Flow {
    if (Array.isArray(part)) return union(...part.map((p) => this.#expression(p, scope, named)));
    if (!isObject(part)) return NONE;
    switch (part.class) {
      case 'COLUMN_REF':
        return this.#column(list(part.column_names).map(text), scope);
      case 'CONSTANT':
      case 'PARAMETER':
        return NONE;
      case 'STAR':
        return union(...scope.relations.flatMap((r) => [flowsOf(r.columns), r.any ?? NONE]));
      case 'POSITIONAL_REFERENCE':
        return scope.relations.flatMap((r) => r.columns)[Number(part.index) - 1]?.flow ?? this.#nowhere();
      case 'SUBQUERY': {
        const inner = this.query(isObject(part.subquery) ? part.subquery.node : undefined, named, scope);
        const child = this.#expression(part.child, scope, named);
        // Whether there are rows does not depend on what is taken of them.
        if (text(part.subquery_type).endsWith('EXISTS')) return inner.condition;
        if (inner.open !== null) this.coarse = true;
        return union(flowsOf(inner.columns), inner.condition, child);
      }
      case 'WINDOW': {
        const { partitions, orders, start_expr, end_expr, filter_expr, arg_orders, ...rest } = part;
        const frame = this.#expression([partitions, orders, start_expr, end_expr, filter_expr, arg_orders], scope, named);
        return union(this.#expression({ ...rest, class: 'any' }, scope, named), asCondition(frame));
      }
      case 'FUNCTION': {
        const { filter, order_bys, children, ...rest } = part;
        const given = list(children).map((c) =>
          isObject(c) && c.class === 'LAMBDA' && takesLambda(part) ? this.#lambda(c, scope, named) : this.#expression(c, scope, named),
        );
        const rows = asCondition(this.#expression([filter, order_bys], scope, named));
        return union(...given, this.#expression({ ...rest, class: 'any' }, scope, named), rows);
      }
      default:
        return union(...Object.values(part).map((p) => this.#expression(p, scope, named)));
    }
  }

  /** x -> expr, and what is taken of its result: (x -> expr) -> 'member' is written the same way. */
  #lambda(part: Json, scope: Scope, named: Named): Flow {
    if (isObject(part.lhs) && part.lhs.class === 'LAMBDA')
      return union(this.#lambda(part.lhs, scope, named), this.#expression(part.expr, scope, named));
    const parameters = new Set([...scope.parameters, ...namesIn(part.lhs)]);
    return this.#expression(part.expr, { ...scope, parameters }, named);
  }

  #nowhere(): Flow {
    this.coarse = true;
    return NONE;
  }

  #column(names: readonly string[], scope: Scope): Flow {
    return resolve(names, scope) ?? this.#nowhere();
  }
}
