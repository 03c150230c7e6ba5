// What a name in a SELECT stands for: SQL's scoping rules, as DuckDB has them. Pure.
import { flowsOf, NONE, union, type Column, type Flow } from './flow.ts';

/** A table as it stands in FROM. */
export interface Relation {
  /** As it is called in the query, in lower case. */
  readonly alias: string;
  readonly columns: readonly Column[];
  /** A table whose columns are not known: name of the table. */
  readonly open: string | null;
  /** A function whose columns are not known: whatever is asked of it comes from this. */
  readonly any: Flow | null;
  /** Columns that USING has made one: what they are by their plain name, or null for those that stand elsewhere. */
  readonly shared: ReadonlyMap<string, Flow | null>;
}

export interface Scope {
  readonly relations: readonly Relation[];
  /** Columns of the same SELECT list, which DuckDB lets other parts name. */
  readonly aliases: Map<string, Flow>;
  /** In ORDER BY they come before the columns of tables. */
  readonly aliasesFirst: boolean;
  /** Of a lambda, in lower case. */
  readonly parameters: ReadonlySet<string>;
  readonly outer: Scope | null;
}

/** Names that DuckDB takes for a function where no column is called so. */
const functions = /^(current_(date|time|timestamp|user|role|schema|catalog)|localtime|localtimestamp|session_user|user)$/;

/** undefined = it is nowhere, or it may be one of several. */
export function resolve(names: readonly string[], scope: Scope): Flow | undefined {
  const parts = names.map((n) => n.toLowerCase());
  if (scope.parameters.has(parts[0]!)) return NONE;
  let guess: Flow | undefined;
  for (let s: Scope | null = scope; s !== null; s = s.outer) {
    const found = inScope(parts, s);
    // It may be this one, or the column of a table further in that nobody has seen.
    if (found) return guess ? undefined : found;
    guess ??= inUnseen(parts, names, s);
  }
  return guess ?? (parts.length === 1 && functions.test(parts[0]!) ? NONE : undefined);
}

function inScope([first, second]: readonly string[], scope: Scope): Flow | undefined {
  const alias = second === undefined ? scope.aliases.get(first!) : undefined;
  if (alias && scope.aliasesFirst) return alias;
  const table = second === undefined ? [] : scope.relations.filter((r) => r.alias === first);
  const flows =
    table.length > 0 ? table.flatMap((r) => called(r, second!, false)) : scope.relations.flatMap((r) => called(r, first!, true));
  if (flows.length > 0) return union(...flows);
  if (alias) return alias;
  // A table's name alone is the struct of all its columns.
  const whole = second === undefined ? scope.relations.find((r) => r.alias === first && r.open === null) : undefined;
  return whole ? union(flowsOf(whole.columns), whole.any ?? NONE) : undefined;
}

function called(r: Relation, wanted: string, plain: boolean): Flow[] {
  const shared = plain ? r.shared.get(wanted) : undefined;
  if (shared !== undefined) return shared === null ? [] : [shared];
  return r.columns.filter((c) => c.name?.toLowerCase() === wanted).map((c) => c.flow);
}

/** A name that fits one table only whose columns are not known. */
function inUnseen(parts: readonly string[], names: readonly string[], scope: Scope): Flow | undefined {
  const table = parts.length === 1 ? [] : scope.relations.filter((r) => r.alias === parts[0]);
  const among = (table.length > 0 ? table : scope.relations).filter((r) => r.open !== null || r.any !== null);
  if (among.length !== 1) return undefined;
  const { open, any } = among[0]!;
  return any ?? { direct: new Set([`${open}.${names[table.length > 0 ? 1 : 0]}`]), indirect: new Set() };
}
