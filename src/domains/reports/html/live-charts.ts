// Charts of the predictions in service: by day, by outcome.
import type { DayRow, LiveView } from '../model.ts';
import { below, beside, colour, dayAxis, drawChart, grid, numbers, rule, whiskers } from './charts.ts';
import { count, fixed, sample, value } from './format.ts';
import { html, type Html } from './html.ts';

/** A colour of a chart with its meaning, on one line. */
const key = (colourName: 'first' | 'second' | 'none', meaning: string): Html =>
  html`<span class="nowrap"><span class="key ${colourName}"></span>${meaning}</span>`;

const known = (rows: readonly DayRow[]) => rows.flatMap((d, i) => (d.primary.ok ? [{ i, d, f: d.primary }] : []));

export async function leadChart(live: LiveView): Promise<Html> {
  const lead = live.metrics.find((m) => m.title === live.primaryTitle)?.figure;
  const rows = known(live.days);
  const bounds = rows.flatMap(({ f }) => (f.interval ? [f.interval.low, f.interval.high] : [f.value]));
  const step = live.task === 'binary' ? 0.1 : 0;
  const range =
    step === 0 || bounds.length === 0
      ? { scale: true }
      : { min: Math.floor(Math.min(...bounds) / step) * step, max: Math.min(1, Math.ceil(Math.max(...bounds) / step) * step) };
  const low = [...rows].sort((a, b) => a.f.value - b.f.value)[0];
  return drawChart(
    {
      size: 'half',
      title: `${live.primaryTitle} by day`,
      description: rows.map(({ d, f }) => `${d.day} ${fixed(f.value)}`).join(', '),
      caption: `Bars are 95\u00a0% intervals${rows[0]?.f.interval ? ` (${rows[0].f.interval.method})` : ''}; the dashed line is all days together${lead?.ok ? `, ${value(lead)}` : ''}, which also tells days apart.${low ? ` Lowest: ${low.d.day}, ${fixed(low.f.value)}, ${sample(low.f.n)}.` : ''}`,
      option: {
        grid: { ...grid, bottom: 30 },
        xAxis: dayAxis(live.days.map((d) => d.day)),
        yAxis: numbers(live.primaryTitle, {
          ...beside,
          ...range,
          axisLabel: { color: colour.muted, fontSize: 13, formatter: (v: number) => String(Number(v.toFixed(2))) },
        }),
        series: [
          whiskers(
            rows.map(({ i, f }) => [i, f.interval?.low ?? f.value, f.interval?.high ?? f.value]),
            colour.first,
          ),
          {
            type: 'scatter',
            data: rows.map(({ i, f }) => [i, f.value]),
            symbolSize: 7,
            itemStyle: { color: colour.first },
            ...(lead?.ok ? { markLine: rule({ yAxis: lead.value }) } : {}),
          },
        ],
      },
    },
    'lead',
  );
}

const inPercent = { color: colour.muted, fontSize: 13, formatter: (v: number) => `${Math.round(v * 100)} %` };

export async function shareChart(live: LiveView): Promise<Html> {
  const binary = live.task === 'binary';
  const observed = live.days.map((d) => (d.observed.ok ? d.observed.value : null));
  const band = live.days.map((d) => (d.observed.ok && d.observed.interval ? [d.observed.interval.low, d.observed.interval.high] : null));
  const invisible = { type: 'line', symbol: 'none', silent: true, lineStyle: { opacity: 0 } };
  return drawChart(
    {
      size: 'half',
      title: binary ? 'Share predicted and observed' : 'Mean predicted and observed',
      description: live.days
        .map((d) => `${d.day}: predicted ${d.predicted === null ? 'none' : fixed(d.predicted, 2)}, observed ${value(d.observed, 2)}`)
        .join('; '),
      caption: html`${key('second', 'observed')}, with its 95 % interval${binary ? ' (Wilson)' : ''} ${key('first', 'predicted')}, the mean
      of the scores. By day, of the predictions whose outcome is known.`,
      option: {
        grid: { ...grid, bottom: 30 },
        xAxis: dayAxis(live.days.map((d) => d.day)),
        yAxis: numbers('', { ...beside, ...(binary ? { min: 0, axisLabel: inPercent } : { scale: true }) }),
        series: [
          { ...invisible, stack: 'band', data: band.map((b) => b?.[0] ?? null) },
          {
            ...invisible,
            stack: 'band',
            data: band.map((b) => (b ? b[1]! - b[0]! : null)),
            areaStyle: { color: colour.second, opacity: 0.16 },
          },
          { type: 'line', data: observed, symbol: 'none', lineStyle: { color: colour.second, width: 2 } },
          { type: 'line', data: live.days.map((d) => d.predicted), symbol: 'none', lineStyle: { color: colour.first, width: 2 } },
        ],
      },
    },
    'share',
  );
}

export async function volumeChart(rows: readonly DayRow[]): Promise<Html> {
  const without = rows.reduce((sum, d) => sum + d.predictions - d.withTruth, 0);
  return drawChart(
    {
      size: 'third',
      title: 'Predictions by day',
      description: rows.map((d) => `${d.day} ${d.predictions}`).join(', '),
      caption: html`${key('first', 'with a known outcome')} ${key('none', 'without one')} (${count(without)} in all).`,
      option: {
        grid: { ...grid, bottom: 30 },
        xAxis: dayAxis(rows.map((d) => d.day)),
        yAxis: numbers('', { axisLabel: { color: colour.muted, fontSize: 13, formatter: (v: number) => count(v) } }),
        series: [
          { type: 'bar', stack: 'n', data: rows.map((d) => d.withTruth), itemStyle: { color: colour.first }, barCategoryGap: '25%' },
          { type: 'bar', stack: 'n', data: rows.map((d) => d.predictions - d.withTruth), itemStyle: { color: colour.line } },
        ],
      },
    },
    'volume',
  );
}

export async function scoreChart(live: LiveView): Promise<Html> {
  const { edges, positive, negative } = live.scores!;
  const middle = (i: number): number => (edges[i]! + edges[i + 1]!) / 2;
  const area = (data: readonly number[], c: string) => ({
    type: 'line',
    step: 'middle',
    symbol: 'none',
    data: data.map((v, i) => [middle(i), v]),
    lineStyle: { color: c, width: 2 },
    areaStyle: { color: c, opacity: 0.14 },
  });
  return drawChart(
    {
      size: 'third',
      title: 'Scores by outcome',
      description: `distribution of the score over ${positive.length} bins, for positive and for negative outcomes`,
      caption: html`${key('second', 'outcome positive')} ${key('first', 'outcome negative')}; share of each outcome’s predictions in
      ${positive.length} bins. The further apart, the better the model tells them apart.`,
      option: {
        grid: { ...grid, right: 22 },
        xAxis: numbers('score', { ...below, min: 0, max: 1 }),
        yAxis: numbers('', { ...beside, axisLabel: inPercent }),
        series: [area(negative, colour.first), area(positive, colour.second)],
      },
    },
    'scores',
  );
}
