// Which packages of a uv.lock a plain install needs, and when. A uv.lock holds the packages of every platform,
// group and extra; the conditions stand on the arrows between them.
type Json = Readonly<Record<string, unknown>>;
const tables = (value: unknown): Json[] =>
  Array.isArray(value) ? value.filter((v): v is Json => typeof v === 'object' && v !== null) : [];

export interface NeededPackage {
  readonly table: Json;
  /** PEP 508; null = always. */
  readonly marker: string | null;
}

/** A condition as the set of markers that must all hold, written in order: so it is finite on circles too. */
type Condition = readonly string[];
const MAX_CONDITIONS = 64;

const isProject = (p: Json): boolean => ['virtual', 'editable', 'directory'].some((kind) => kind in ((p.source as Json | undefined) ?? {}));

/** Walks from the project over `dependencies` and requested extras; development groups are left out. */
export function neededPackages(packages: readonly Json[]): NeededPackage[] {
  const projects = packages.filter(isProject);
  const here = projects.filter((p) => ['virtual', 'editable'].some((kind) => (p.source as Json)[kind] === '.'));
  const start = here.length > 0 ? here : projects.length > 0 ? projects : packages;
  const found = new Map<string, { table: Json; conditions: Map<string, Condition> }>();
  const queue: { table: Json; extra: string; condition: Condition }[] = start.map((table) => ({ table, extra: '', condition: [] }));
  for (let item = queue.shift(); item; item = queue.shift()) {
    const { table, extra, condition } = item;
    const id = `${String(table.name)} ${String(table.version)} ${extra}`;
    const node = found.get(id) ?? { table, conditions: new Map<string, Condition>() };
    found.set(id, node);
    if (node.conditions.has('') || node.conditions.has(condition.join('\0'))) continue;
    // Too many ways to be needed are as good as always.
    const kept = node.conditions.size >= MAX_CONDITIONS ? [] : condition;
    if (kept.length === 0) node.conditions.clear();
    node.conditions.set(kept.join('\0'), kept);
    const dependencies = extra === '' ? table.dependencies : ((table['optional-dependencies'] ?? {}) as Json)[extra];
    for (const dependency of tables(dependencies)) {
      const target = packages.find(
        (p) => p.name === dependency.name && (dependency.version === undefined || p.version === dependency.version),
      );
      if (!target) continue;
      const next = typeof dependency.marker === 'string' ? [...new Set([...kept, dependency.marker])].sort() : kept;
      const extras = Array.isArray(dependency.extra) ? dependency.extra.map(String) : [];
      for (const wanted of ['', ...extras]) queue.push({ table: target, extra: wanted, condition: next });
    }
  }
  return [...found]
    .filter(([id, { table }]) => id.endsWith(' ') && !isProject(table))
    .map(([, { table, conditions }]) => ({ table, marker: textOf([...conditions.values()]) }));
}

const textOf = (conditions: readonly Condition[]): string | null => {
  if (conditions.some((c) => c.length === 0)) return null;
  const all = (c: Condition): string => c.map((m) => (c.length > 1 && / or /.test(m) ? `(${m})` : m)).join(' and ');
  return conditions
    .map((c) => (conditions.length > 1 ? `(${all(c)})` : all(c)))
    .sort()
    .join(' or ');
};
