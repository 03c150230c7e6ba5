// Charts as inline SVG, drawn here by ECharts without a browser. Colours are stand-ins that become CSS
// variables, so that a chart follows the page. Nothing in a finished chart runs or loads.
import type { EChartsCoreOption } from 'echarts/core';
import { escapeText, html, trusted, type Html, type Part } from './html.ts';

/** Stand-ins: ECharts wants colours that it can parse. */
export const colour = {
  ink: '#010101',
  muted: '#010102',
  line: '#010103',
  grid: '#010104',
  first: '#010105',
  second: '#010106',
  paper: '#010107',
  good: '#010108',
  bad: '#010109',
} as const;

// A chart is drawn at about the size it is shown at, so that its words are as large as those around it.
const SIZES = { half: [480, 300], third: [350, 300], wide: [1040, 474], narrow: [400, 428] } as const;

type Core = typeof import('echarts/core');
let loading: Promise<Core> | undefined;

// ECharts is large; a process that draws nothing never loads it.
function load(): Promise<Core> {
  return (loading ??= Promise.all([
    import('echarts/core'),
    import('echarts/charts'),
    import('echarts/components'),
    import('echarts/renderers'),
  ]).then(
    ([
      core,
      { BarChart, CustomChart, LineChart, ScatterChart },
      { GridComponent, MarkAreaComponent, MarkLineComponent },
      { SVGRenderer },
    ]) => {
      core.use([BarChart, CustomChart, LineChart, ScatterChart, GridComponent, MarkAreaComponent, MarkLineComponent, SVGRenderer]);
      return core;
    },
  ));
}

export interface Chart {
  readonly title: string;
  /** What it shows, for those who cannot see it. */
  readonly description: string;
  readonly caption: Part;
  readonly option: EChartsCoreOption;
  /** How much of the page's width it takes. */
  readonly size: keyof typeof SIZES;
}

/** A chart as a figure. `prefix` makes its inner ids unique on the page and the same in every run. */
export async function drawChart(chart: Chart, prefix: string): Promise<Html> {
  const { init } = await load();
  const [width, height] = SIZES[chart.size];
  const instance = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    instance.setOption({ animation: false, textStyle: { fontFamily: 'sans-serif' }, ...chart.option });
    const svg = tidy(instance.renderToSVGString(), prefix, chart);
    return html`<figure class="chart">
      ${trusted(svg)}
      <figcaption><b>${chart.title}.</b> ${chart.caption}</figcaption>
    </figure>`;
  } finally {
    instance.dispose();
  }
}

function tidy(svg: string, prefix: string, { title, description }: Chart): string {
  let text = svg
    .replaceAll(/\bzr\d+-/g, `${prefix}-`)
    // What is there for a mouse: a printed page has none, and its numbers would differ from run to run.
    .replaceAll(/<style[\s\S]*?<\/style>| class="[^"]*"| pointer-events="visible"| ecmeta_\w+="[^"]*"/g, '')
    .replace(/^<svg /, `<svg role="img" aria-label="${escapeText(`${title}: ${description}`)}" `)
    .replace(/ xmlns(:xlink)?="[^"]*"/g, '');
  for (const [name, value] of Object.entries(colour)) text = text.replaceAll(value, `var(--${name})`);
  return text;
}

const axisText = { color: colour.muted, fontSize: 13 };
const nameText = { color: colour.muted, fontSize: 13 };

export const grid = { left: 58, right: 18, top: 14, bottom: 50 };

/** A numeric axis with a name below or beside it. */
export const numbers = (name: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  type: 'value',
  name,
  nameLocation: 'middle',
  nameTextStyle: nameText,
  axisLabel: axisText,
  axisLine: { show: true, lineStyle: { color: colour.line } },
  axisTick: { show: false },
  splitLine: { lineStyle: { color: colour.grid } },
  ...more,
});

export const below = { nameGap: 30 };
export const beside = { nameGap: 42 };

/** Days as an axis, labelled every week. */
export const dayAxis = (days: readonly string[]): Record<string, unknown> => ({
  type: 'category',
  data: days.map(shortDay),
  axisLabel: { ...axisText, interval: (i: number) => i % Math.max(1, Math.round(days.length / 5)) === 0 },
  axisLine: { lineStyle: { color: colour.line } },
  axisTick: { show: false },
});

const shortDay = (iso: string): string =>
  new Date(`${iso}T00:00:00Z`).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });

/** Vertical bars from low to high at x: intervals. */
export const whiskers = (data: readonly (readonly [number, number, number])[], stroke: string): Record<string, unknown> => ({
  type: 'custom',
  silent: true,
  data,
  encode: { x: 0, y: [1, 2] },
  renderItem: (_: unknown, api: { value(i: number): number; coord(p: number[]): number[] }) => {
    const [x, low] = api.coord([api.value(0), api.value(1)]) as [number, number];
    const [, high] = api.coord([api.value(0), api.value(2)]) as [number, number];
    return { type: 'line', shape: { x1: x, y1: low, x2: x, y2: high }, style: { stroke, lineWidth: 1.5, opacity: 0.6 } };
  },
});

export const rule = (at: { xAxis: number } | { yAxis: number }, stroke: string = colour.muted): Record<string, unknown> => ({
  silent: true,
  symbol: 'none',
  label: { show: false },
  lineStyle: { color: stroke, type: 'dashed', width: 1 },
  data: [at],
});
