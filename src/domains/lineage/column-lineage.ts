// Which columns a SELECT reads for each column that it gives, from the syntax tree that DuckDB makes of it
// (json_serialize_sql). Pure: names are resolved here by SQL's scoping rules against the columns of the tables.
// What the rules below do not know is told as `coarse`, never guessed.

/** `direct`: its value is computed from these. `indirect`: they decide which rows there are, or how they are grouped. Keys are `table.column`. */
export interface Flow {
  readonly direct: ReadonlySet<string>;
  readonly indirect: ReadonlySet<string>;
}

export interface Reading {
  /** In the order of the SELECT list. */
  readonly columns: ReadonlyMap<string, Flow>;
  /** True if a part of the text could not be resolved: then all columns of all tables count for each column given. */
  readonly coarse: boolean;
}

/** Columns by table; null = not known yet, so that any name is taken for one of its columns. */
export type Tables = Readonly<Record<string, readonly string[] | null>>;

type Json = Readonly<Record<string, unknown>>;
interface Relation {
  /** As it is called in the query, in lower case. */
  readonly alias: string;
  readonly columns: Map<string, Flow>;
  /** A table whose columns are not known: name of the table. */
  readonly open: string | null;
}
interface Scope {
  readonly relations: readonly Relation[];
  /** Columns of the same SELECT list, which DuckDB lets later parts name. */
  readonly aliases: Map<string, Flow>;
  readonly parameters: ReadonlySet<string>;
  readonly outer: Scope | null;
}
interface Query {
  readonly columns: Map<string, Flow>;
  /** Columns whose names could not be listed. */
  readonly open: string | null;
}
type Named = ReadonlyMap<string, Query>;

const NONE: Flow = { direct: new Set(), indirect: new Set() };
const isObject = (x: unknown): x is Json => typeof x === 'object' && x !== null && !Array.isArray(x);
const list = (x: unknown): readonly unknown[] => (Array.isArray(x) ? x : []);
const text = (x: unknown): string => (typeof x === 'string' ? x : '');
const union = (...flows: readonly Flow[]): Flow => ({
  direct: new Set(flows.flatMap((f) => [...f.direct])),
  indirect: new Set(flows.flatMap((f) => [...f.indirect])),
});
const all = ({ direct, indirect }: Flow): Set<string> => new Set([...direct, ...indirect]);
const asCondition = (flow: Flow): Flow => ({ direct: new Set(), indirect: all(flow) });

/** `serialised`: what json_serialize_sql gave for one SELECT. */
export function readColumns(serialised: unknown, tables: Tables): Reading {
  const reader = new SelectReader(tables);
  const statements = isObject(serialised) && serialised.error === false ? list(serialised.statements) : [];
  const node = isObject(statements[0]) ? statements[0].node : undefined;
  const found = reader.query(node, new Map(), null);
  return { columns: found.columns, coarse: reader.coarse || found.open !== null || statements.length !== 1 };
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
      return this.#merge(left, right, node.setop_type === 'UNION_BY_NAME');
    }
    if (node.type === 'RECURSIVE_CTE_NODE') {
      const seed = this.query(node.left, known, outer);
      return this.#merge(seed, this.query(node.right, new Map([...known, [text(node.cte_name).toLowerCase(), seed]]), outer), false);
    }
    return this.#unknown();
  }

  #unknown(): Query {
    this.coarse = true;
    return { columns: new Map(), open: null };
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
    const scope: Scope = { relations: [], aliases: new Map(), parameters: new Set(), outer };
    const filled = { ...scope, relations: this.#from(node.from_table, named, scope, conditions) };
    const columns = new Map<string, Flow>();
    let open: string | null = null;
    list(node.select_list).forEach((item, i) => {
      if (!isObject(item)) return;
      if (item.class === 'STAR' && item.columns !== true) {
        open ??= this.#star(item, filled, named, columns);
        return;
      }
      const flow = this.#expression(item, filled, named);
      const name = text(item.alias) || text(list(item.column_names).at(-1)) || `column ${i + 1}`;
      columns.set(name, flow);
      filled.aliases.set(name.toLowerCase(), flow);
    });
    for (const part of ['where_clause', 'group_expressions', 'having', 'qualify', 'modifiers'] as const)
      conditions.push(this.#expression(node[part], filled, named));
    const condition = asCondition(union(...conditions));
    return { columns: new Map([...columns].map(([name, flow]) => [name, union(flow, condition)])), open };
  }

  /** Adds what "*" stands for; the table whose columns are not known, if it is among them. */
  #star(item: Json, scope: Scope, named: Named, into: Map<string, Flow>): string | null {
    const only = text(item.relation_name).toLowerCase();
    const left = new Set(list(item.exclude_list).map((x) => text(x).toLowerCase()));
    const put = new Map(
      list(item.replace_list).flatMap((r) =>
        isObject(r) ? [[text(r.key).toLowerCase(), this.#expression(r.value, scope, named)] as const] : [],
      ),
    );
    let open: string | null = null;
    for (const relation of scope.relations) {
      if (only !== '' && relation.alias !== only) continue;
      open ??= relation.open;
      for (const [name, flow] of relation.columns) {
        if (left.has(name.toLowerCase())) continue;
        into.set(name, union(into.get(name) ?? NONE, put.get(name.toLowerCase()) ?? flow));
      }
    }
    return open;
  }

  #from(ref: unknown, named: Named, scope: Scope, conditions: Flow[]): Relation[] {
    if (ref === undefined || ref === null) return [];
    if (!isObject(ref)) return this.#from(undefined, named, scope, conditions);
    const alias = (text(ref.alias) || text(ref.table_name)).toLowerCase();
    const names = list(ref.column_name_alias).map(text);
    const relation = (q: Query): Relation[] => {
      const { columns, open } = renamed(q, names);
      return [{ alias, columns, open }];
    };
    switch (ref.type) {
      case 'EMPTY':
        return [];
      case 'BASE_TABLE':
        return relation(this.#table(text(ref.table_name), named));
      case 'SUBQUERY':
        return relation(this.query(isObject(ref.subquery) ? ref.subquery.node : undefined, named, scope));
      case 'JOIN': {
        const left = this.#from(ref.left, named, scope, conditions);
        // A lateral join sees what stands left of it.
        const right = this.#from(ref.right, named, { ...scope, relations: [...scope.relations, ...left] }, conditions);
        const both = [...left, ...right];
        const inside = { ...scope, relations: both };
        conditions.push(this.#expression(ref.condition, inside, named));
        for (const column of list(ref.using_columns)) conditions.push(this.#column([text(column)], inside));
        return both;
      }
      case 'TABLE_FUNCTION':
      case 'EXPRESSION_LIST':
      case 'TABLE_FUNCTION_REF': {
        const flow = this.#expression({ ...ref, type: 'any' }, scope, named);
        const given = names.length > 0 ? names : [alias || 'value', 'unnest', 'col0', 'col1', 'col2', 'col3'];
        return [{ alias, columns: new Map(given.map((n) => [n, flow])), open: null }];
      }
      default:
        this.coarse = true;
        return [];
    }
  }

  #table(name: string, named: Named): Query {
    const cte = named.get(name.toLowerCase());
    if (cte) return cte;
    const table = this.#tables.get(name.toLowerCase());
    if (!table) return this.#unknown();
    if (table.columns === null) return { columns: new Map(), open: table.name };
    return {
      columns: new Map(table.columns.map((c) => [c, { direct: new Set([`${table.name}.${c}`]), indirect: new Set<string>() }])),
      open: null,
    };
  }

  #merge(left: Query, right: Query, byName: boolean): Query {
    const open = left.open ?? right.open;
    if (byName) {
      const names = [...new Set([...left.columns.keys(), ...right.columns.keys()])];
      return { columns: new Map(names.map((n) => [n, union(left.columns.get(n) ?? NONE, right.columns.get(n) ?? NONE)])), open };
    }
    const others = [...right.columns.values()];
    return { columns: new Map([...left.columns].map(([n, flow], i) => [n, union(flow, others[i] ?? NONE)])), open };
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
        return union(...scope.relations.flatMap((r) => [...r.columns.values()]));
      case 'SUBQUERY': {
        const inner = this.query(isObject(part.subquery) ? part.subquery.node : undefined, named, scope);
        return union(...inner.columns.values(), this.#expression(part.child, scope, named));
      }
      case 'WINDOW': {
        const { partitions, orders, ...rest } = part;
        const frame = this.#expression([partitions, orders], scope, named);
        return union(this.#expression({ ...rest, class: 'any' }, scope, named), asCondition(frame));
      }
      case 'LAMBDA': {
        const parameters = new Set([...scope.parameters, ...namesIn(part.lhs)]);
        return this.#expression(part.expr, { ...scope, parameters }, named);
      }
      default:
        return union(...Object.values(part).map((p) => this.#expression(p, scope, named)));
    }
  }

  #column(names: readonly string[], scope: Scope): Flow {
    const parts = names.map((n) => n.toLowerCase());
    if (scope.parameters.has(parts[0]!)) return NONE;
    for (let s: Scope | null = scope; s !== null; s = s.outer) {
      const found = this.#inScope(parts, names, s);
      if (found) return found;
    }
    this.coarse = true;
    return NONE;
  }

  #inScope(parts: readonly string[], names: readonly string[], scope: Scope): Flow | undefined {
    const [first, second] = parts;
    const qualified = second === undefined ? [] : scope.relations.filter((r) => r.alias === first);
    const wanted = qualified.length > 0 ? second! : first!;
    const given = qualified.length > 0 ? names[1]! : names[0]!;
    const among = qualified.length > 0 ? qualified : scope.relations;
    const flows = among.flatMap((r) => [...r.columns].filter(([n]) => n.toLowerCase() === wanted).map(([, flow]) => flow));
    if (flows.length > 0) return union(...flows);
    if (qualified.length === 0 && scope.aliases.has(wanted)) return scope.aliases.get(wanted);
    const open = among.filter((r) => r.open !== null);
    if (open.length === 1) return { direct: new Set([`${open[0]!.open}.${given}`]), indirect: new Set() };
    // A table's name alone is the struct of all its columns.
    const whole = second === undefined ? scope.relations.find((r) => r.alias === first) : undefined;
    return whole ? union(...whole.columns.values()) : undefined;
  }
}

const renamed = (query: Query, names: readonly string[]): Query =>
  names.length === 0 ? query : { ...query, columns: new Map([...query.columns].map(([name, flow], i) => [names[i] ?? name, flow])) };

/** Names of a lambda's parameters. */
function namesIn(part: unknown): string[] {
  if (Array.isArray(part)) return part.flatMap(namesIn);
  if (!isObject(part)) return [];
  if (part.class === 'COLUMN_REF') return list(part.column_names).map((n) => text(n).toLowerCase());
  return Object.values(part).flatMap(namesIn);
}
