// The whole time at a glance: performance with and without the loop, drift, and what followed from it, under
// one another on one axis of time. Drawn twice: for a page's width and for a phone's.
import { smoothed, SMOOTHED, type LoopView } from '../loop-view.ts';
import { colour, drawChart, type Chart } from './charts.ts';
import { day, fixed } from './format.ts';
import { html, type Html, type Part } from './html.ts';

const LANES = ['alerts', 'retraining', 'releases'] as const;
const DAY_MS = 86_400_000;

const ms = (us: number): number => us / 1000;

interface Shape {
  readonly size: 'wide' | 'narrow';
  readonly left: number;
  readonly right: number;
  readonly heights: { readonly lead: number; readonly drift: number; readonly lanes: number };
}
const SHAPES: readonly Shape[] = [
  { size: 'wide', left: 78, right: 16, heights: { lead: 250, drift: 64, lanes: 84 } },
  { size: 'narrow', left: 74, right: 10, heights: { lead: 210, drift: 56, lanes: 84 } },
];

/** The chart in both sizes, one of which is shown. */
export async function loopChart(view: LoopView): Promise<Html> {
  const drawn = await Promise.all(SHAPES.map((shape) => drawChart(chartOf(view, shape), `loop-${shape.size}`)));
  return html`<div class="glance">${drawn.map((figure, i) => html`<div class="${SHAPES[i]!.size}">${figure}</div>`)}</div>`;
}

const mark = (name: 'first' | 'second' | 'good' | 'bad' | 'grey', meaning: string): Html =>
  html`<span class="nowrap"><span class="key ${name}"></span>${meaning}</span>`;

function caption(view: LoopView): Part {
  const { counterfactual } = view;
  return html`${mark('first', 'as it was answered')}${
    'absent' in counterfactual ? '' : mark('second', `version ${counterfactual.version} alone, scored afterwards`)
  }:
  means of ${SMOOTHED} windows, weighted by rows; dots are single windows; the dashed line is the baseline of the version in service. Grey
  columns: the share of drifted columns. ${mark('grey', 'an alert that warns; still going on')}
  ${mark('bad', 'an alert that pages; refused or rolled back')} ${mark('good', 'a new version takes over')}`;
}

function chartOf(view: LoopView, shape: Shape): Chart {
  const { windows, counterfactual } = view;
  const at = (w: { fromUs: number }): number => ms(w.fromUs);
  const withLoop = smoothed(windows.map((w) => w.figure));
  const others = 'absent' in counterfactual ? [] : counterfactual.windows;
  const alone = smoothed(others.map((w) => w.figure));
  // The lines have to be told apart; a single window far from them is left out of the picture, not of the table.
  const values = [...withLoop, ...alone, ...windows.map((w) => w.baseline)].filter((v) => v !== null);
  const step = 0.05;
  const low = values.length === 0 ? 0 : Math.floor(Math.min(...values) / step - 0.2) * step;
  const high = values.length === 0 ? 1 : Math.ceil(Math.max(...values) / step + 0.2) * step;
  const first = windows[0] ? at(windows[0]) : 0;
  const last = windows.length > 0 ? ms(windows.at(-1)!.toUs) : 1;
  const { lead, drift, lanes } = shape.heights;
  const tops = [24, 24 + lead + 12, 24 + lead + 12 + drift + 12];
  const box = (top: number, height: number) => ({ left: shape.left, right: shape.right, top, height });
  const text = { color: colour.muted, fontSize: 12 };
  const ticks = datesBetween(first, last, shape.size === 'wide' ? 9 : 5);
  const time = (gridIndex: number, shown: boolean) => ({
    type: 'time',
    gridIndex,
    min: first,
    max: last,
    axisLabel: { ...text, show: shown, customValues: ticks, formatter: (v: number) => shortMonth(v, last - first) },
    axisLine: { lineStyle: { color: colour.line } },
    axisTick: { show: shown, customValues: ticks },
    splitLine: { show: false },
  });
  const line = (data: readonly (readonly [number, number | null])[], stroke: string, more: object = {}) => ({
    type: 'line',
    symbol: 'none',
    silent: true,
    data: data.map((d) => [...d]),
    lineStyle: { color: stroke, width: 2.2, ...more },
  });
  const firing = view.alerts.filter((a) => a.severity === 'page');
  return {
    size: shape.size,
    title: `${view.metric.title} over time, and what followed`,
    description: describe(view, withLoop, alone),
    caption: caption(view),
    option: {
      grid: [box(tops[0]!, lead), box(tops[1]!, drift), box(tops[2]!, lanes)],
      xAxis: [time(0, false), time(1, false), time(2, true)],
      yAxis: [
        {
          type: 'value',
          gridIndex: 0,
          min: low,
          max: high,
          interval: step,
          axisLabel: { ...text, formatter: (v: number) => String(Number(v.toFixed(3))) },
          splitLine: { lineStyle: { color: colour.grid } },
        },
        {
          type: 'value',
          gridIndex: 1,
          min: 0,
          max: 1,
          interval: 0.5,
          axisLabel: { ...text, formatter: (v: number) => `${Math.round(v * 100)} %` },
          splitLine: { lineStyle: { color: colour.grid } },
        },
        {
          type: 'category',
          gridIndex: 2,
          data: [...LANES],
          inverse: true,
          axisLabel: { ...text, fontSize: 11 },
          axisTick: { show: false },
          axisLine: { lineStyle: { color: colour.line } },
          splitLine: { show: true, lineStyle: { color: colour.grid } },
        },
      ],
      series: [
        {
          type: 'scatter',
          silent: true,
          symbolSize: shape.size === 'wide' ? 3.5 : 2.5,
          itemStyle: { color: colour.first, opacity: 0.45 },
          data: windows.flatMap((w) => (w.figure.ok && w.figure.value >= low && w.figure.value <= high ? [[at(w), w.figure.value]] : [])),
          markArea: {
            silent: true,
            itemStyle: { color: colour.bad, opacity: 0.1 },
            data: firing.map((a) => [{ xAxis: ms(a.firedUs) }, { xAxis: a.resolvedUs === null ? last : ms(a.resolvedUs) }]),
          },
          markLine: {
            silent: true,
            symbol: 'none',
            label: {
              show: true,
              position: 'end',
              rotate: 0,
              color: colour.good,
              fontSize: 11,
              formatter: ({ name }: { name: string }) => name,
            },
            lineStyle: { color: colour.good, width: 1.5, type: 'solid' },
            data: promotions(view).map((r) => ({ xAxis: ms(r.endedUs!), name: `v${r.version}` })),
          },
        },
        { ...line(baselines(view), colour.muted, { width: 1.2, type: 'dashed' }), step: 'end' },
        line(
          alone.map((v, i) => [at(others[i]!), v]),
          colour.second,
        ),
        line(
          withLoop.map((v, i) => [at(windows[i]!), v]),
          colour.first,
        ),
        {
          type: 'bar',
          xAxisIndex: 1,
          yAxisIndex: 1,
          silent: true,
          barCategoryGap: '10%',
          barWidth: Math.max(1, Math.floor(((shape.size === 'wide' ? 940 : 330) / Math.max(1, windows.length)) * 0.8)),
          data: windows.flatMap((w) => (w.driftShare === null ? [] : [[at(w), w.driftShare]])),
          itemStyle: { color: colour.muted, opacity: 0.75 },
        },
        lane(view, last),
      ],
    },
  };
}

const promotions = (view: LoopView) => view.releases.filter((r) => r.state === 'promoted' && r.endedUs !== null);

const baselines = (view: LoopView): [number, number | null][] => view.windows.map((w) => [ms(w.fromUs), w.baseline]);

// One bar per thing: [lane, from, to, colour].
function lane(view: LoopView, last: number): Record<string, unknown> {
  const bars: [number, number, number, string][] = [
    ...view.alerts.map((a): [number, number, number, string] => [
      0,
      ms(a.firedUs),
      a.resolvedUs === null ? last : ms(a.resolvedUs),
      a.severity === 'page' ? colour.bad : colour.muted,
    ]),
    ...view.triggers.map((t): [number, number, number, string] => [
      1,
      ms(t.atUs),
      ms(t.atUs) + DAY_MS,
      !t.accepted ? colour.line : t.outcome === 'promoted' ? colour.good : t.outcome === null ? colour.muted : colour.bad,
    ]),
    ...view.releases.map((r): [number, number, number, string] => [
      2,
      ms(r.startedUs),
      Math.max(ms(r.startedUs) + DAY_MS, r.endedUs === null ? last : ms(r.endedUs)),
      r.state === 'promoted' ? colour.good : r.endedUs === null ? colour.muted : colour.bad,
    ]),
  ];
  return {
    type: 'custom',
    xAxisIndex: 2,
    yAxisIndex: 2,
    silent: true,
    data: bars.map(([row, from, to]) => [from, row, to]),
    encode: { x: [0, 2], y: 1 },
    renderItem: (
      params: { dataIndex: number },
      api: { value(i: number): number; coord(p: number[]): number[]; size(p: number[]): number[] },
    ) => {
      const [x, y] = api.coord([api.value(0), api.value(1)]) as [number, number];
      const [right] = api.coord([api.value(2), api.value(1)]) as [number, number];
      const height = api.size([0, 1])[1]! * 0.5;
      return {
        type: 'rect',
        shape: { x, y: y - height / 2, width: Math.max(3, right - x), height, r: 2 },
        style: { fill: bars[params.dataIndex]![3] },
      };
    },
  };
}

function describe(view: LoopView, withLoop: readonly (number | null)[], alone: readonly (number | null)[]): string {
  const every = Math.max(1, Math.floor(view.windows.length / 12));
  const at = (list: readonly (number | null)[], i: number): string => (typeof list[i] === 'number' ? fixed(list[i]) : 'none');
  return view.windows
    .flatMap((w, i) =>
      i % every === 0 ? [`${day(w.fromUs)}: ${at(withLoop, i)}${alone.length > 0 ? ` (alone ${at(alone, i)})` : ''}`] : [],
    )
    .join('; ');
}

/** At most this many days at one distance, in ms; over a season and more, first days of months. */
function datesBetween(first: number, last: number, most: number): number[] {
  const span = last - first;
  if (span > 90 * DAY_MS) {
    const start = new Date(first);
    const months = Array.from({ length: Math.ceil(span / (28 * DAY_MS)) + 2 }, (_, i) =>
      Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + i, 1),
    ).filter((t) => t >= first && t <= last);
    const each = Math.ceil(months.length / most);
    return months.filter((_, i) => i % each === 0);
  }
  const days = [1, 2, 7, 14, 28].find((n) => span / (n * DAY_MS) < most) ?? 28;
  const begin = Math.ceil(first / DAY_MS) * DAY_MS;
  return Array.from({ length: most + 1 }, (_, i) => begin + i * days * DAY_MS).filter((t) => t <= last);
}

const shortMonth = (v: number, span: number): string =>
  new Date(v).toLocaleDateString(
    'en-GB',
    span > 90 * DAY_MS ? { month: 'short', timeZone: 'UTC' } : { day: 'numeric', month: 'short', timeZone: 'UTC' },
  );
