// A drift and quality report as a text that people read: Markdown, or one HTML file without scripts.

interface Summary {
  readonly n: number;
  readonly nulls: number;
  readonly mean: number | null;
  readonly sd: number | null;
}
export interface DriftReport {
  readonly reference: { readonly name: string; readonly rows: number; readonly stored: boolean };
  readonly current: { readonly name: string; readonly rows: number };
  readonly columns: readonly {
    readonly column: string;
    readonly kind: string;
    readonly reference: Summary;
    readonly current: Summary;
    readonly drift:
      | {
          readonly ok: true;
          readonly method: string;
          readonly value: number;
          readonly corrected: number;
          readonly threshold: number;
          readonly n: number;
          readonly m: number;
          readonly drifted: boolean;
        }
      | { readonly ok: false; readonly reason: string };
    readonly quality: readonly { readonly kind: string; readonly share: number; readonly reference: number; readonly broken: boolean }[];
  }[];
  readonly missing: readonly string[];
  readonly added: readonly string[];
  readonly drifted: readonly string[];
  readonly broken: readonly string[];
}

const number = (x: number | null): string => (x === null ? '' : String(Number(x.toPrecision(4))));
const percent = (x: number): string => `${Number((100 * x).toPrecision(3))} %`;
const share = ({ n, nulls }: Summary): string => percent(n + nulls === 0 ? 0 : nulls / (n + nulls));

export const HEAD = ['column', 'kind', 'verdict', 'distance', 'threshold', 'method', 'rows', 'mean', 'missing', 'broken'] as const;

/** One row for each column, those that drifted or broke first, farthest first. */
export function reportRows(report: DriftReport): string[][] {
  const rank = (c: DriftReport['columns'][number]): number =>
    (c.quality.some((q) => q.broken) ? 2 : 0) + (c.drift.ok && c.drift.drifted ? 1 + c.drift.value / c.drift.threshold : 0);
  return report.columns
    .toSorted((a, b) => rank(b) - rank(a) || (a.column < b.column ? -1 : 1))
    .map((c) => {
      const { drift: d } = c;
      const broken = c.quality
        .filter((q) => q.broken)
        .map((q) => `${q.kind.replaceAll('_', ' ')} ${percent(q.share)} (was ${percent(q.reference)})`);
      return [
        c.column,
        c.kind,
        d.ok ? (d.drifted ? 'drifted' : 'as before') : d.reason,
        d.ok ? number(d.value) : '',
        d.ok ? number(d.threshold) : '',
        d.ok ? d.method : '',
        d.ok ? `${d.n} / ${d.m}` : '',
        c.kind === 'numeric' ? `${number(c.current.mean)} / ${number(c.reference.mean)}` : '',
        `${share(c.current)} / ${share(c.reference)}`,
        broken.join('; '),
      ];
    });
}

const title = (r: DriftReport): string => `${r.current.name} against ${r.reference.name}`;

/** The report in a few sentences. */
export const reportWords = (r: DriftReport): string[] => [
  `${r.drifted.length} of ${r.columns.length} columns drifted${r.drifted.length > 0 ? `: ${r.drifted.join(', ')}` : ''}.`,
  `${r.broken.length} columns have faults that the reference has not${r.broken.length > 0 ? `: ${r.broken.join(', ')}` : ''}.`,
  ...(r.missing.length > 0 ? [`Missing: ${r.missing.join(', ')}.`] : []),
  ...(r.added.length > 0 ? [`New: ${r.added.join(', ')}.`] : []),
  `${r.current.rows} rows against ${r.reference.rows}. A pair of figures is "current / reference".`,
];

export function reportMarkdown(r: DriftReport): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [`# ${cell(title(r))}`, '', ...reportWords(r), '', line(HEAD), line(HEAD.map(() => '---')), ...reportRows(r).map(line), ''].join(
    '\n',
  );
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c]!);

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c2733}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.35rem .5rem;border-bottom:1px solid #e3e8ee;vertical-align:top}
tr.drifted td:nth-child(3){color:#b3261e;font-weight:600}.scroll{overflow-x:auto}
@media print{body{margin:0;max-width:none}}`;

export function reportHtml(r: DriftReport): string {
  const cells = (row: readonly string[]): string => row.map((text) => `<td>${escaped(text)}</td>`).join('');
  const rows = reportRows(r).map((row) => `<tr${row[2] === 'drifted' ? ' class="drifted"' : ''}>${cells(row)}</tr>`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escaped(title(r))}</title><style>${STYLE}</style></head><body>
<h1>${escaped(title(r))}</h1>
${reportWords(r)
  .map((words) => `<p>${escaped(words)}</p>`)
  .join('\n')}
<div class="scroll"><table><thead><tr>${HEAD.map((h) => `<th>${h}</th>`).join('')}</tr></thead><tbody>
${rows.join('\n')}
</tbody></table></div></body></html>
`;
}
