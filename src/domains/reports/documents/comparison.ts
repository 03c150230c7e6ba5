// What a pull request needs to know of a model version, beside the one in service: data, figures on the same rows,
// gate, parameters, environment, code. The same records give the same bytes. Pure.
import type { Difference, Figure } from '../../../stats/figure.ts';
import type { GateView } from '../model.ts';
import { code, count, figureText, plain, table, tableOr } from './markdown.ts';

export interface DataChange {
  readonly dataset: string;
  /** null = only one of the two was made from it. */
  readonly before: { readonly id: string; readonly number: number; readonly rows: number } | null;
  readonly after: { readonly id: string; readonly number: number; readonly rows: number } | null;
  readonly columns: readonly {
    readonly column: string;
    readonly change: 'added' | 'removed' | 'type' | 'statistics';
    readonly before: unknown;
    readonly after: unknown;
  }[];
  /** By key; or why they were not compared. */
  readonly rows:
    | { readonly added: number; readonly removed: number; readonly changed: number; readonly unchanged: number }
    | { readonly absent: string }
    | null;
}

export interface MetricChange {
  readonly metric: string;
  readonly title: string;
  readonly better: 'higher' | 'lower';
  readonly candidate: Figure;
  readonly champion: Figure;
  /** Improvement of the candidate on the same rows; positive is better, whichever way the metric points. */
  readonly improvement: Difference;
}

export interface ValueChange {
  readonly name: string;
  readonly before: string | null;
  readonly after: string | null;
}

export interface Side {
  readonly id: string;
  readonly model: string;
  readonly number: number;
  readonly run: string | null;
  readonly commit: string | null;
}

export interface Comparison {
  readonly project: string;
  readonly candidate: Side;
  readonly champion: Side | null;
  readonly evaluation: { readonly id: string; readonly rows: number; readonly dataset: string } | null;
  /** The figures, or why there are none. */
  readonly metrics: readonly MetricChange[] | { readonly absent: string };
  readonly gate: GateView | null;
  /** False where the decision was taken on another champion, evaluation or set of gates. */
  readonly gateHolds: boolean;
  readonly data: readonly DataChange[];
  readonly parameters: readonly ValueChange[];
  readonly environment: { readonly changes: readonly ValueChange[] } | { readonly absent: string };
  readonly code: { readonly changed: readonly ValueChange[] } | { readonly absent: string };
}

/** Whether a pipeline may go on. */
export const passes = (c: Pick<Comparison, 'gate' | 'gateHolds'>): boolean => c.gate !== null && c.gate.outcome !== 'failed' && c.gateHolds;

/** First line of the text: by it a comment is found again and replaced. */
export const markerOf = (c: Pick<Comparison, 'project' | 'candidate'>): string =>
  `<!-- gyre-report ${JSON.stringify([c.project, c.candidate.model]).replaceAll('-->', '')} -->`;

const MAX_ROWS = 40;

export function renderComparison(c: Comparison, link: (path: string) => string | null): string {
  const { candidate, champion } = c;
  return `${[
    markerOf(c),
    `## ${verdict(c)} ${plain(candidate.model)} version ${candidate.number}`,
    `${sideText('Candidate', candidate, link)}\n${champion ? sideText('Champion', champion, link) : '- Champion: none yet'}`,
    '### Gate',
    gateText(c),
    '### Metrics',
    metricsText(c),
    '### Data',
    dataText(c.data, champion !== null),
    '### Parameters',
    changes(
      ['Parameter', 'Champion', 'Candidate'],
      c.parameters,
      champion === null ? 'There is no champion to compare with.' : 'No parameter differs.',
    ),
    '### Environment',
    'absent' in c.environment
      ? `${plain(c.environment.absent)}.`
      : changes(['Package', 'Champion', 'Candidate'], c.environment.changes, 'The locks are the same.'),
    '### Code',
    'absent' in c.code ? `${plain(c.code.absent)}.` : changes(['File', 'Champion', 'Candidate'], c.code.changed, 'No file differs.'),
  ].join('\n\n')}\n`;
}

const verdict = (c: Comparison): string =>
  c.gate === null
    ? '⏸ Not judged yet:'
    : !c.gateHolds
      ? '⏸ The decision has expired:'
      : c.gate.outcome === 'failed'
        ? '❌ Gate failed:'
        : c.gate.outcome === 'overridden'
          ? '⚠️ Let through by hand:'
          : '✅ Gate passed:';

function linked(text: string, href: string | null): string {
  return href === null ? text : `[${text}](${href})`;
}

/** A word that is of use only as a link. */
const only = (text: string, href: string | null): string[] => (href === null ? [] : [linked(text, href)]);

const sideText = (title: string, s: Side, link: (path: string) => string | null): string =>
  `- ${title}: ${[
    linked(`version ${s.number}`, link(`/models/${encodeURIComponent(s.model)}/versions/${s.number}`)),
    ...only('card', link(`/models/${encodeURIComponent(s.model)}/versions/${s.number}/card`)),
    ...(s.run === null ? [] : only('run', link(`/runs/${s.run}`))),
  ].join(
    ', ',
  )} (${code(s.id)}${s.run === null ? '' : `, run ${code(s.run)}`}${s.commit === null ? '' : `, commit ${code(s.commit.slice(0, 12))}`})`;

function gateText({ gate, gateHolds }: Comparison): string {
  if (gate === null) return 'No decision about this version is recorded.';
  return [
    `**${gate.outcome}** (${code(gate.id)}): ${plain(gate.reason)}${gateHolds ? '' : ' It no longer holds: gates, evaluation or champion have changed since.'}`,
    '',
    tableOr(
      ['Rule', 'Threshold', 'Found', 'Verdict'],
      gate.rows.map((r) => [plain(r.rule), plain(r.threshold), plain(r.found), r.passed ? '✅ passed' : `❌ ${plain(r.why)}`]),
      'The model has no gates.',
    ),
  ].join('\n');
}

const round = (x: number): string => (Object.is(Number(x.toFixed(4)), -0) ? '0.0000' : x.toFixed(4));
const differenceText = (d: Difference): string =>
  d.ok
    ? `${d.difference > 0 ? '+' : ''}${round(d.difference)} [${round(d.low)}, ${round(d.high)}], n = ${d.n}`
    : `none (${plain(d.reason)})`;
const judged = (d: Difference): string => (!d.ok ? '' : d.low > 0 ? 'better' : d.high < 0 ? 'worse' : 'no difference shown');

function metricsText(c: Comparison): string {
  if ('absent' in c.metrics) return `${plain(c.metrics.absent)}.`;
  const e = c.evaluation;
  return [
    ...(e
      ? [
          c.champion === null
            ? `It was scored on ${count(e.rows)} rows of ${plain(e.dataset)} (${code(e.id)}), with 95 % intervals.`
            : `Both were scored on the same ${count(e.rows)} rows of ${plain(e.dataset)} (${code(e.id)}). Improvements are paired, with 95 % intervals; positive is better.`,
          '',
        ]
      : []),
    table(
      c.champion === null ? ['Metric', 'Candidate'] : ['Metric', 'Candidate', 'Champion', 'Improvement', ''],
      c.metrics.map((m) => [
        `${plain(m.title)} (${m.better} is better)`,
        figureText(m.candidate),
        ...(c.champion === null ? [] : [figureText(m.champion), differenceText(m.improvement), judged(m.improvement)]),
      ]),
    ),
  ].join('\n');
}

const changes = (head: readonly string[], all: readonly ValueChange[], none: string): string =>
  all.length === 0
    ? none
    : [
        table(
          head,
          all
            .slice(0, MAX_ROWS)
            .map((x) => [code(x.name), x.before === null ? 'none' : code(x.before), x.after === null ? 'none' : code(x.after)]),
        ),
        ...(all.length > MAX_ROWS ? ['', `and ${all.length - MAX_ROWS} more`] : []),
      ].join('\n');

function dataText(data: readonly DataChange[], hasChampion: boolean): string {
  if (data.length === 0) return 'The version does not say which data it was made from.';
  const versionText = (v: DataChange['before']): string =>
    v === null ? 'none' : `version ${v.number}, ${count(v.rows)} rows (${code(v.id)})`;
  const rowsText = (d: DataChange): string =>
    d.rows === null
      ? d.before?.id === d.after?.id
        ? 'the same version'
        : ''
      : 'absent' in d.rows
        ? plain(d.rows.absent)
        : `${count(d.rows.added)} added, ${count(d.rows.removed)} removed, ${count(d.rows.changed)} changed, ${count(d.rows.unchanged)} unchanged`;
  const columns = data.flatMap((d) => d.columns.map((x) => ({ dataset: d.dataset, ...x })));
  return [
    table(
      hasChampion ? ['Dataset', 'Champion', 'Candidate', 'Rows'] : ['Dataset', 'Candidate'],
      data.map((d) =>
        hasChampion
          ? [plain(d.dataset), versionText(d.before), versionText(d.after), rowsText(d)]
          : [plain(d.dataset), versionText(d.after)],
      ),
    ),
    ...(columns.length === 0
      ? []
      : [
          '',
          table(
            ['Column', 'Change', 'Champion', 'Candidate'],
            columns
              .slice(0, MAX_ROWS)
              .map((x) => [code(`${x.dataset}.${x.column}`), x.change, profileText(x.before, x.after), profileText(x.after, x.before)]),
          ),
          ...(columns.length > MAX_ROWS ? ['', `and ${columns.length - MAX_ROWS} more columns`] : []),
        ]),
  ].join('\n');
}

/** A type, or the figures of a profile that differ from the other one's. */
function profileText(value: unknown, other: unknown): string {
  if (value === null || value === undefined) return 'none';
  if (typeof value !== 'object') return code(String(value));
  const against = (typeof other === 'object' ? other : null) as Readonly<Record<string, unknown>> | null;
  const told = Object.entries(value)
    .filter(([name, x]) => against === null || JSON.stringify(against[name]) !== JSON.stringify(x))
    .map(([name, x]) => `${name} ${typeof x === 'number' ? Number(x.toPrecision(5)) : plain(String(x))}`);
  return told.join(', ');
}
