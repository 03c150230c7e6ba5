// Figures beside their targets. Nothing here fails: a bench says how it is.
import { cpus, loadavg, totalmem } from 'node:os';

export interface Row {
  readonly what: string;
  readonly figure: string;
  /** What design or issue ask for; '' where a figure only explains another. */
  readonly target: string;
}

export const row = (what: string, figure: string, target = ''): Row => ({ what, figure, target });

/** What the figures were taken on, and how busy it was with other things. */
export function machine(durability: string): string[] {
  return [
    `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${process.arch}`,
    `Node ${process.version}, SQLite ${process.versions.sqlite}, durability "${durability}"`,
    `load average at the start ${loadavg()
      .map((l) => l.toFixed(1))
      .join(', ')}: figures are only worth something near 0`,
  ];
}

export function print(title: string, rows: readonly Row[]): void {
  const width = (of: (r: Row) => string, least: number): number => Math.max(least, ...rows.map((r) => of(r).length));
  const [what, figure] = [width((r) => r.what, title.length), width((r) => r.figure, 6)];
  console.log(`\n${title.padEnd(what)}  ${'figure'.padStart(figure)}  target`);
  for (const r of rows) console.log(`${r.what.padEnd(what)}  ${r.figure.padStart(figure)}  ${r.target}`.trimEnd());
}

/** The value below which a share of the numbers lies. */
export function quantile(values: readonly number[] | Float64Array, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const ms = (value: number): string => `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`;
export const perSecond = (n: number, wallMs: number): string => `${Math.round((n / wallMs) * 1000).toLocaleString('en-US')}/s`;
