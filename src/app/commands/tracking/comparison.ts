// A comparison of runs as a table: one line for each thing that differs, one column for each run.
import { table } from '../../../kernel/cli/terminal.ts';

interface Row<T> {
  readonly key: string;
  readonly values: readonly (T | null)[];
}
export interface ComparisonReply {
  readonly runs: readonly { readonly id: string; readonly name: string; readonly status: string }[];
  readonly params: readonly Row<string>[];
  readonly sameParams: number;
  readonly tags: readonly Row<string>[];
  readonly environment: {
    readonly runs: readonly { readonly python: string | null; readonly packages: number }[];
    readonly packages: readonly Row<string>[];
  };
  readonly data: readonly Row<
    readonly { readonly digest: string; readonly versions: readonly { readonly dataset: string; readonly number: number }[] }[]
  >[];
  readonly code: readonly { readonly commit: string | null; readonly source: string | null; readonly dirty: boolean | null }[];
  readonly metrics: readonly Row<{ readonly last: number | 'NaN'; readonly least: number | null; readonly greatest: number | null }>[];
  readonly groups: readonly {
    readonly runs: readonly string[];
    readonly by: Readonly<Record<string, string | null>>;
    readonly metrics: readonly {
      readonly key: string;
      readonly n: number;
      readonly mean: number | null;
      readonly interval: { readonly low: number; readonly high: number; readonly level: number; readonly method: string } | null;
      readonly because: string | null;
    }[];
  }[];
}

export const shownNumber = (value: number | string): string => (typeof value === 'number' ? String(Number(value.toPrecision(6))) : value);

const MOST_SHOWN = 40;
const cut = (text: string): string => (text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN - 1)}…` : text);

export function comparisonLines(c: ComparisonReply): string[] {
  const lines: { what: string; values: (string | null)[] }[] = [];
  const add = (what: string, values: readonly (string | null)[]): void => void lines.push({ what, values: [...values] });
  const addIfDifferent = (what: string, values: readonly (string | null)[]): void => {
    if (new Set(values).size > 1) add(what, values);
  };
  add(
    'name',
    c.runs.map((r) => r.name),
  );
  add(
    'status',
    c.runs.map((r) => r.status),
  );
  for (const m of c.metrics) {
    add(
      `metric ${m.key}`,
      m.values.map((v) => v && shownNumber(v.last)),
    );
    const ranged = (v: { least: number | null; greatest: number | null } | null): string | null =>
      v && v.least !== null && v.greatest !== null ? `${shownNumber(v.least)} to ${shownNumber(v.greatest)}` : null;
    addIfDifferent('  least to greatest', m.values.map(ranged));
  }
  for (const p of c.params) add(`param ${p.key}`, p.values);
  for (const t of c.tags) add(`tag ${t.key}`, t.values);
  for (const d of c.data)
    add(
      `data ${d.key}`,
      d.values.map((v) => v && v.map((i) => i.versions.map((x) => `${x.dataset}@${x.number}`).join(' ') || i.digest).join(', ')),
    );
  addIfDifferent(
    'code commit',
    c.code.map((x) => (x.commit === null ? null : `${x.commit.slice(0, 12)}${x.dirty ? ' and changes' : ''}`)),
  );
  addIfDifferent(
    'code source',
    c.code.map((x) => x.source),
  );
  addIfDifferent(
    'python',
    c.environment.runs.map((e) => e.python),
  );
  for (const p of c.environment.packages) add(`package ${p.key}`, p.values);
  const text = table(lines, [
    { title: '', value: (l) => l.what },
    ...c.runs.map((r, i) => ({ title: r.id.slice(0, 12), value: (l: (typeof lines)[number]) => l.values[i] && cut(l.values[i]) })),
  ]);
  return [...text, `${c.sameParams} params are the same`, ...c.groups.flatMap(groupLines)];
}

function groupLines(g: ComparisonReply['groups'][number]): string[] {
  const by = Object.entries(g.by).map(([key, value]) => `${key} = ${value ?? '(none)'}`);
  const title = `${by.length > 0 ? by.join(', ') : 'repeats'}: ${g.runs.map((id) => id.slice(0, 12)).join(' ')}`;
  return [
    title,
    ...g.metrics.map((m) => {
      if (m.mean === null) return `  ${m.key}: no value`;
      const sure = m.interval
        ? `, ${m.interval.level * 100} % interval ${shownNumber(m.interval.low)} to ${shownNumber(m.interval.high)} (${m.interval.method})`
        : `, no interval: ${m.because}`;
      return `  ${m.key}: mean ${shownNumber(m.mean)} of ${m.n}${sure}`;
    }),
  ];
}
