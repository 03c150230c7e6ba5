// One window of a monitor with all its figures, for a terminal.
import { count, table } from '../../../kernel/cli/terminal.ts';

/** A figure, or the reason why there is none. */
interface Figure {
  readonly ok: boolean;
  readonly value?: number;
  readonly n: number;
  readonly reason?: string;
  readonly method?: string;
  readonly interval?: { readonly low: number; readonly high: number };
  readonly low?: number;
  readonly high?: number;
}
interface Drift extends Figure {
  readonly threshold?: number;
  readonly drifted?: boolean;
}
interface Quality {
  readonly kind: string;
  readonly share: number;
  readonly reference: number;
  readonly broken: boolean;
  readonly examples?: readonly string[];
}
interface ColumnFigures {
  readonly column: string;
  readonly kind: string;
  readonly n: number;
  readonly quality: readonly Quality[];
  readonly drift: Drift;
}
interface Pool extends Figure {
  readonly windows?: number;
  readonly baseline?: number;
  readonly verdict?: { readonly ok: boolean; readonly fallen?: boolean; readonly threshold?: number };
}
export interface WindowView {
  readonly id: string;
  readonly monitor: string;
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly generation: number;
  readonly n: number;
  readonly version: string;
  readonly findings: number;
  readonly figures: {
    readonly volume: { readonly versions: readonly { readonly version: string; readonly records: number }[] };
    readonly errors?: Figure;
    readonly latency?: { readonly quantilesUs: Readonly<Record<string, number>> } | null;
    readonly columns?: readonly ColumnFigures[];
    readonly added?: readonly { readonly column: string; readonly n: number }[];
    readonly prediction?: Drift;
    readonly usualVolume?: Figure;
    readonly estimate?: Readonly<Record<string, Figure>>;
    readonly coverage?: Figure;
    readonly metrics?: Readonly<Record<string, Figure>>;
    readonly pools?: Readonly<Record<string, Pool>>;
    readonly gaps?: Readonly<Record<string, { readonly value: number; readonly band: number; readonly outside: boolean }>>;
    readonly calibration?: {
      readonly bins: readonly {
        readonly n: number;
        readonly predicted: number;
        readonly observed: number;
        readonly low: number;
        readonly high: number;
      }[];
    } | null;
    readonly slices?: readonly {
      readonly column: string;
      readonly value: string;
      readonly n: number;
      readonly metrics: Readonly<Record<string, Figure>>;
    }[];
  };
}

const short = (x: number | undefined): string => (x === undefined ? '-' : String(Number(x.toPrecision(4))));
const percent = (x: number): string => `${Number((100 * x).toPrecision(3))} %`;
const minute = (iso: string): string => iso.slice(0, 16).replace('T', ' ');
const between = (f: Figure): string => {
  const [low, high] = [f.interval?.low ?? f.low, f.interval?.high ?? f.high];
  return low === undefined || high === undefined ? '-' : `${short(low)} to ${short(high)}`;
};
const valueOf = (f: Figure | undefined): string => (f === undefined ? '-' : f.ok ? short(f.value) : `- (${f.reason ?? 'no figure'})`);

export function windowLines(w: WindowView): string[] {
  const f = w.figures;
  const section = (title: string, lines: readonly string[]): string[] => (lines.length === 0 ? [] : ['', title, ...lines]);
  const versions = f.volume.versions.map((v) => `${v.version === '' ? 'without a version' : v.version} ${count(v.records)}`).join(', ');
  return [
    `${w.kind} window of ${w.monitor}, ${minute(w.from)} to ${minute(w.to)} UTC, generation ${w.generation} (${w.id})`,
    `figures of version ${w.version === '' ? '-' : w.version}, n = ${count(w.n)}; ${w.findings} ${w.findings === 1 ? 'finding' : 'findings'}; records: ${versions === '' ? 'none' : versions}`,
    ...(f.usualVolume?.ok ? [`usual are ${short(f.usualVolume.low)} to ${short(f.usualVolume.high)} records`] : []),
    ...(f.errors ? [`without a score: ${f.errors.ok ? percent(f.errors.value!) : valueOf(f.errors)}`] : []),
    ...(f.coverage ? [`labelled: ${f.coverage.ok ? percent(f.coverage.value!) : valueOf(f.coverage)} of those with a score`] : []),
    ...(f.latency
      ? [
          `latency: ${Object.entries(f.latency.quantilesUs)
            .map(([name, us]) => `${name} ${short(us / 1000)} ms`)
            .join(', ')}`,
        ]
      : []),
    ...section('Metrics', metricLines(f.metrics ?? {}, f.estimate ?? {}, f.gaps ?? {})),
    ...(f.metrics ? [] : section('Estimated without labels', estimateLines(f.estimate ?? {}))),
    ...section('Last windows of the version together, against the baseline', poolLines(f.pools ?? {})),
    ...section('Columns', columnLines(f)),
    ...section(
      'Columns that the baseline does not know',
      (f.added ?? []).map((c) => `${c.column}: ${count(c.n)} of ${count(w.n)} records have a value`),
    ),
    ...section('Calibration', calibrationLines(f.calibration?.bins ?? [])),
    ...section('Slices', sliceLines(f.slices ?? [])),
  ];
}

const metricLines = (
  metrics: NonNullable<WindowView['figures']['metrics']>,
  estimates: NonNullable<WindowView['figures']['estimate']>,
  gaps: NonNullable<WindowView['figures']['gaps']>,
): string[] =>
  table(Object.entries(metrics), [
    { title: 'METRIC', value: ([name]) => name },
    { title: 'VALUE', value: ([, m]) => valueOf(m), right: true },
    { title: '95 % INTERVAL', value: ([, m]) => between(m) },
    { title: 'N', value: ([, m]) => count(m.n), right: true },
    { title: 'ESTIMATED BEFORE', value: ([name]) => (estimates[name]?.ok ? short(estimates[name].value) : '-'), right: true },
    {
      title: 'TRUTH LESS ESTIMATE',
      value: ([name]) => {
        const gap = gaps[name];
        return gap ? `${short(gap.value)} (band ±${short(gap.band)}${gap.outside ? ', outside' : ''})` : '-';
      },
    },
    { title: 'METHOD', value: ([, m]) => m.method },
  ]);

const estimateLines = (estimates: NonNullable<WindowView['figures']['estimate']>): string[] =>
  table(Object.entries(estimates), [
    { title: 'METRIC', value: ([name]) => name },
    { title: 'VALUE', value: ([, e]) => valueOf(e), right: true },
    { title: '95 % BAND', value: ([, e]) => between(e) },
    { title: 'N', value: ([, e]) => count(e.n), right: true },
    { title: 'METHOD', value: ([, e]) => e.method ?? '-' },
  ]);

const poolLines = (pools: Readonly<Record<string, Pool>>): string[] =>
  table(Object.entries(pools), [
    { title: 'METRIC', value: ([name]) => name },
    { title: 'VALUE', value: ([, p]) => valueOf(p), right: true },
    { title: 'BASELINE', value: ([, p]) => short(p.baseline), right: true },
    { title: 'THRESHOLD', value: ([, p]) => short(p.verdict?.threshold), right: true },
    { title: 'WINDOWS', value: ([, p]) => p.windows, right: true },
    { title: 'N', value: ([, p]) => count(p.n), right: true },
    { title: 'VERDICT', value: ([, p]) => (p.ok ? (p.verdict?.fallen ? 'worse' : 'as before') : '-') },
  ]);

function columnLines({ columns = [], prediction }: WindowView['figures']): string[] {
  const scores = prediction ? [{ column: '(score)', kind: 'numeric', n: prediction.n, quality: [], drift: prediction }] : [];
  const missing = (c: ColumnFigures): string => {
    const nulls = c.quality.find((q) => q.kind === 'nulls');
    return nulls ? `${percent(nulls.share)} (${percent(nulls.reference)})` : '-';
  };
  const broken = (c: ColumnFigures): string =>
    c.quality
      .filter((q) => q.broken)
      .map(
        (q) =>
          `${q.kind.replaceAll('_', ' ')} ${percent(q.share)}${q.examples && q.examples.length > 0 ? `: ${q.examples.slice(0, 3).join(', ')}` : ''}`,
      )
      .join('; ');
  return table<ColumnFigures>(
    [...scores, ...columns],
    [
      { title: 'COLUMN', value: (c) => c.column },
      { title: 'KIND', value: (c) => c.kind },
      { title: 'N', value: (c) => count(c.n), right: true },
      { title: 'DRIFT', value: (c) => (c.drift.ok ? (c.drift.drifted ? 'drifted' : 'as before') : `- (${c.drift.reason ?? ''})`) },
      { title: 'DISTANCE', value: (c) => short(c.drift.value), right: true },
      { title: 'THRESHOLD', value: (c) => short(c.drift.threshold), right: true },
      { title: 'METHOD', value: (c) => c.drift.method },
      { title: 'MISSING (BASELINE)', value: missing },
      { title: 'BROKEN', value: broken },
    ],
  );
}

const calibrationLines = (bins: NonNullable<NonNullable<WindowView['figures']['calibration']>['bins']>): string[] =>
  table(bins, [
    { title: 'PREDICTED', value: (b) => short(b.predicted), right: true },
    { title: 'OBSERVED', value: (b) => short(b.observed), right: true },
    { title: '95 % INTERVAL', value: (b) => between({ ok: true, ...b }) },
    { title: 'N', value: (b) => count(b.n), right: true },
  ]);

function sliceLines(slices: NonNullable<WindowView['figures']['slices']>): string[] {
  const names = [...new Set(slices.flatMap((s) => Object.keys(s.metrics)))];
  return table(slices, [
    { title: 'COLUMN', value: (s) => s.column },
    { title: 'VALUE', value: (s) => s.value },
    { title: 'N', value: (s) => count(s.n), right: true },
    ...names.map((name) => ({
      title: name.toUpperCase(),
      value: (s: (typeof slices)[number]) => {
        const m = s.metrics[name];
        return m?.ok ? `${short(m.value)} (${between(m)})` : '-';
      },
    })),
  ]);
}
