// Charts small enough for a table cell, drawn by hand.
import type { Figure } from '../../../stats/figure.ts';
import type { Distribution } from '../model.ts';
import { count, fixed, percent, short } from './format.ts';
import { html, type Html } from './html.ts';

const [WIDE, HIGH] = [132, 28];

/** Bars of a distribution; words get gaps between them. */
export function sparkline({ kind, counts, edges, words }: Distribution): Html {
  const most = Math.max(1, ...counts);
  const step = WIDE / Math.max(counts.length, kind === 'words' ? 10 : 1);
  const gap = kind === 'words' ? 2 : 0.5;
  const total = counts.reduce((a, b) => a + b, 0);
  const about =
    kind === 'words'
      ? words
          .slice(0, 3)
          .map((w, i) => `${w} ${count(counts[i]!)}`)
          .join(', ')
      : `most values lie between ${short(edges![0])} and ${short(edges![1])}; the highest bar holds ${percent(total === 0 ? 0 : most / total, 0)}`;
  return html`<svg class="spark" viewBox="0 0 ${WIDE} ${HIGH}" role="img" aria-label="Distribution: ${about}">
    ${counts.map((n, i) => {
      const tall = n === 0 ? 0 : Math.max(1, (n / most) * (HIGH - 1));
      return html`<rect
        x="${fixed(i * step, 1)}"
        y="${fixed(HIGH - tall, 1)}"
        width="${fixed(step - gap, 1)}"
        height="${fixed(tall, 1)}"
        fill="var(--first)"
      />`;
    })}
  </svg>`;
}

export interface ForestScale {
  readonly low: number;
  readonly high: number;
  /** The figure over all rows: a solid line. */
  readonly overall: number | null;
  /** The gate's bound: a dashed line. */
  readonly bound: number | null;
}

/** One scale for all rows, wide enough for every interval. */
export function forestScale(figures: readonly Figure[], overall: number | null, bound: number | null): ForestScale {
  const found = figures.flatMap((f) => (f.ok ? [f.value, ...(f.interval ? [f.interval.low, f.interval.high] : [])] : []));
  const all = [...found, ...[overall, bound].filter((x) => x !== null)];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  if (all.length === 0) return { low: 0, high: 1, overall, bound };
  const room = (high - low) * 0.04 || 0.01;
  // Shares and areas end at 0 and 1.
  const share = low >= 0 && high <= 1;
  return { low: share ? Math.max(0, low - room) : low - room, high: share ? Math.min(1, high + room) : high + room, overall, bound };
}

/** The figure as a dot on its interval; positions are shares of the cell, so that the dot stays round. */
export function forest(f: Figure, scale: ForestScale): Html {
  const x = (v: number): string => `${fixed((100 * (v - scale.low)) / (scale.high - scale.low), 2)}%`;
  const upright = (v: number | null, dash: string): Html | null =>
    v === null
      ? null
      : html`<line x1="${x(v)}" x2="${x(v)}" y1="0" y2="22" stroke="var(--muted)" stroke-width="1" stroke-dasharray="${dash}" />`;
  const span = f.ok && f.interval;
  const label = f.ok ? `${fixed(f.value)}${span ? `, from ${fixed(span.low)} to ${fixed(span.high)}` : ''}` : `none: ${f.reason}`;
  return html`<svg class="forest" role="img" aria-label="${label}">
    ${upright(scale.overall, 'none')}${upright(scale.bound, '3 3')}
    ${span && html`<line x1="${x(span.low)}" x2="${x(span.high)}" y1="11" y2="11" stroke="var(--first)" stroke-width="2" />`}
    ${f.ok && html`<circle cx="${x(f.value)}" cy="11" r="4" fill="var(--first)" />`}
  </svg>`;
}
