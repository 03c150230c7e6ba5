// Columns of other names that an identifier was copied into by the project's own SQL: `select tailnum as plane`.
import type { Ctx } from '../../../kernel/ctx.ts';
import { serialiseSelects } from '../../lineage/public.ts';
import { snapshotText, type ProjectDefinition, type Revision } from '../../projects/public.ts';
import { isDistinctive, subjectOf, type Subject } from '../../subjects/public.ts';

type Tree = { readonly [name: string]: unknown };
const isTree = (x: unknown): x is Tree => typeof x === 'object' && x !== null && !Array.isArray(x);
const words = (x: unknown): string[] => (Array.isArray(x) ? x.filter((w) => typeof w === 'string') : []);

/** These leave a value what it is, as far as it is compared. */
const SAME = new Set(['lower', 'upper', 'trim', 'ltrim', 'rtrim', 'any_value', 'first', 'last']);

/** The column that an expression passes on as it is, or undefined. */
function passedOn(x: unknown): string | undefined {
  if (!isTree(x)) return undefined;
  if (x.class === 'COLUMN_REF') return words(x.column_names).at(-1);
  if (x.class === 'CAST') return passedOn(x.child);
  const { children } = x;
  if (x.class === 'FUNCTION' && SAME.has(String(x.function_name)) && Array.isArray(children) && children.length === 1)
    return passedOn(children[0]);
  return undefined;
}

/** Names that a SELECT, or one within it, gives to columns of these names. Pure. */
export function renamedIn(tree: unknown, names: readonly string[]): string[] {
  const known = new Set(names.map((n) => n.toLowerCase()));
  const found = new Set<string>();
  const visit = (x: unknown): void => {
    if (Array.isArray(x)) return x.forEach(visit);
    if (!isTree(x)) return;
    for (const item of Array.isArray(x.select_list) ? x.select_list : []) {
      const alias = isTree(item) && typeof item.alias === 'string' ? item.alias : '';
      const from = passedOn(item)?.toLowerCase();
      if (alias === '' || from === undefined || !known.has(from) || known.has(alias.toLowerCase())) continue;
      known.add(alias.toLowerCase());
      found.add(alias);
    }
    Object.values(x).forEach(visit);
  };
  // A name that is given further on in the tree may be used before it.
  for (let before = -1; before < found.size;) {
    before = found.size;
    visit(tree);
  }
  return [...found];
}

/** By dataset and view, the names that its own SQL, or that of what it is made from, gives to these columns. */
async function copiesOf(ctx: Ctx, { definition, snapshot }: Revision, columns: readonly string[]): Promise<Map<string, string[]>> {
  const selects = [...Object.values(definition.datasets), ...Object.values(definition.views)].flatMap((x) =>
    x.sql === null ? [] : [{ name: x.name, sql: x.sql, from: 'from' in x ? x.from : [x.dataset] }],
  );
  const texts = await Promise.all(selects.map(async ({ sql }) => (await snapshotText(ctx, snapshot, sql)).text));
  const trees = await serialiseSelects(ctx, texts);
  const copies = new Map<string, string[]>();
  for (let changed = true; changed;) {
    changed = false;
    for (const [i, { name, from }] of selects.entries()) {
      const before = copies.get(name) ?? [];
      const known = [...columns, ...from.flatMap((f) => copies.get(f) ?? [])];
      // `select *` takes names along.
      const all = [...new Set([...before, ...from.flatMap((f) => copies.get(f) ?? []), ...renamedIn(trees[i], known)])];
      if (all.length > before.length) copies.set(name, all);
      changed ||= all.length > before.length;
    }
  }
  return copies;
}

/**
 * The subject, with columns that hold its identifier under other names. A value that may stand for something else (42)
 * is looked for under them only in the datasets that have them. Raises `subject-invalid`.
 */
export async function subjectIn(ctx: Ctx, revision: Revision, text: string): Promise<Subject> {
  const subject = subjectOf(revision.definition, text);
  const copies = await copiesOf(ctx, revision, subject.columns);
  if (copies.size === 0) return subject;
  if (!isDistinctive(subject.value)) return { ...subject, copies: Object.fromEntries(copies) };
  return { ...subject, columns: [...new Set([...subject.columns, ...[...copies.values()].flat()])] };
}

/** The names under which a dataset may hold the identifier. */
export const columnsIn = (subject: Subject, datasets: readonly string[], definition: ProjectDefinition): readonly string[] => [
  ...subject.columns,
  ...datasets.flatMap((d) => (Object.hasOwn(definition.datasets, d) ? (subject.copies?.[d] ?? []) : [])),
];
