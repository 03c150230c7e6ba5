// One writer per table: only the store of the domain that owns a table writes to it, and only the kernel
// writes to the kernel's.
import { isTest, sources, withoutComments, type SourceTree } from './source-tree.ts';

const VERB = /\.(?:insertInto|updateTable|deleteFrom|mergeInto|replaceInto)\(\s*(['"`]([a-z_]+)[^'"`]*['"`]|[^)]*)/g;
const SQL_VERB =
  /\b(?:insert\s+(?:or\s+\w+\s+)?into|update|delete\s+from|replace\s+into|truncate(?:\s+table)?)\s+"?([a-z_]+)"?(?=[\s(;`'])/gi;

/** Who owns each table: the name of a domain, or "kernel". */
export function tableOwners(tree: SourceTree): Map<string, string> {
  const owners = new Map<string, string>();
  for (const [path, text] of sources(tree, 'src/')) {
    const domain = /^src\/app\/migrations\/\d+\/([a-z-]+)\.ts$/.exec(path)?.[1];
    const kernel = path.startsWith('src/kernel/') && !isTest(path) && /readonly Table\[\]/.test(text);
    if (!domain && !kernel) continue;
    for (const match of text.matchAll(/\bname: '([a-z_]+)'/g)) owners.set(match[1]!, domain ?? 'kernel');
  }
  return owners.set('schema_migrations', 'kernel');
}

/** The tables that a text writes to; '?' where the name is not written out. */
export function writtenTables(text: string): string[] {
  const code = withoutComments(text);
  const byBuilder = [...code.matchAll(VERB)].map((match) => match[2] ?? '?');
  const bySql = [...code.matchAll(SQL_VERB)].map((match) => match[1]!.toLowerCase()).filter((word) => word !== 'set');
  return [...new Set([...byBuilder, ...bySql])];
}

/**
 * Writes by others than the owner. `elsewhere` names files that write tables of a database of their own,
 * outside the migrations.
 */
export function foreignWrites(tree: SourceTree, elsewhere: readonly string[]): string[] {
  const owners = tableOwners(tree);
  const wrong: string[] = [];
  for (const [path, text] of sources(tree, 'src/')) {
    if (isTest(path) || elsewhere.includes(path)) continue;
    const [, layer, room, file] = path.split('/');
    for (const table of writtenTables(text)) {
      const owner = owners.get(table);
      if (table === '?') wrong.push(`${path} writes to a table whose name is not written out`);
      else if (owner === undefined) continue; // words of prose, and "update" of something else
      else if (owner === 'kernel' && layer !== 'kernel') wrong.push(`${path} writes to "${table}", a table of the kernel`);
      else if (owner !== 'kernel' && room !== owner) wrong.push(`${path} writes to "${table}", a table of ${owner}`);
      else if (owner !== 'kernel' && file !== 'store.ts' && file !== 'store') wrong.push(`${path} writes to "${table}" outside its store`);
    }
  }
  return wrong;
}
