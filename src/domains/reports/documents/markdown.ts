// Markdown that nothing of a user's text can break. Pure.
import type { Figure } from '../../../stats/figure.ts';

/** Text in Markdown means only itself, also inside a table. */
export const plain = (text: string): string =>
  text
    .replace(/[\r\n]+/g, ' ')
    .replace(/[\\`*_{}[\]()#+!|<>~-]/g, (c) => (c === '-' ? c : c === '<' ? '&lt;' : c === '>' ? '&gt;' : `\\${c}`))
    .replace(/^(\s*)([-=])/, '$1\\$2');

/** As code; the fence is longer than any run of backticks within. */
export const code = (text: string): string => {
  const clean = text.replace(/[\r\n]+/g, ' ').replaceAll('|', '\\|');
  const longest = Math.max(0, ...[...clean.matchAll(/`+/g)].map((m) => m[0].length));
  const fence = '`'.repeat(longest + 1);
  return longest === 0 ? `\`${clean}\`` : `${fence} ${clean} ${fence}`;
};

export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** A table, or the sentence that says that there is nothing. */
export const tableOr = (head: readonly string[], rows: readonly (readonly string[])[], none: string): string =>
  rows.length === 0 ? none : table(head, rows);

export const day = (us: number): string => new Date(us / 1000).toISOString().slice(0, 10);
export const minute = (us: number): string => `${new Date(us / 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
export const count = (n: number): string => n.toLocaleString('en-US');

/** "1 run", "1,204 runs". */
export const counted = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? '' : 's'}`;

/** A span in the unit that people use for it. */
export function span(us: number): string {
  const seconds = us / 1e6;
  const [size, unit] = seconds < 120 ? [1, 's'] : seconds < 7200 ? [60, 'min'] : seconds < 172_800 ? [3600, 'h'] : [86_400, 'd'];
  return `${Number((seconds / size).toPrecision(3))} ${unit}`;
}

/** Value, interval and n of a figure; or why there is none. */
export function figureText(f: Figure, show: (value: number) => string = (v) => v.toFixed(4)): string {
  if (!f.ok) return `none (${plain(f.reason)}; n = ${f.n})`;
  const { interval } = f;
  return `${show(f.value)}${interval ? ` [${show(interval.low)}, ${show(interval.high)}]` : ''}, n = ${f.n}`;
}
export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
