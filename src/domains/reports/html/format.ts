// Numbers and times as people read them. UTC throughout.
import type { Figure } from '../../../stats/figure.ts';

// Made when a report is: it reads the data of a whole language.
let grouped: Intl.NumberFormat | undefined;
export const count = (n: number): string => (grouped ??= new Intl.NumberFormat('en-US')).format(n);

/** "1 dataset", "2 datasets" */
export const some = (n: number, what: string): string => `${count(n)} ${what}${n === 1 ? '' : 's'}`;

/** The size of a sample, on one line. */
export const sample = (n: number): string => `n\u00a0=\u00a0${count(n)}`;

export const fixed = (x: number, digits = 3): string => x.toFixed(digits);

export function percent(x: number, digits = 1): string {
  if (x > 0 && x * 100 < 0.5 * 10 ** -digits) return `< ${(10 ** -digits).toFixed(digits)}\u00a0%`;
  return `${(x * 100).toFixed(digits)}\u00a0%`;
}

/** Up to four digits that matter. */
export function short(x: number): string {
  if (Number.isInteger(x) && Math.abs(x) < 1e7) return Math.abs(x) >= 10_000 ? count(x) : String(x);
  const size = Math.abs(x);
  return size !== 0 && (size < 0.001 || size >= 1e7) ? x.toExponential(2) : String(Number(x.toPrecision(4)));
}

export function value(f: Figure, digits = 3): string {
  return f.ok ? fixed(f.value, digits) : 'none';
}

export const interval = (f: Figure, digits = 3): string =>
  f.ok && f.interval ? `${fixed(f.interval.low, digits)} to ${fixed(f.interval.high, digits)}` : '';

/** "95 %" */
export const level = (share: number): string => `${Number((share * 100).toPrecision(4))}\u00a0%`;

export const day = (us: number): string =>
  new Date(us / 1000).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
export const moment = (us: number): string => `${new Date(us / 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** First and last day of a window whose end is not part of it. */
export const days = (fromUs: number, toUs: number): string => {
  const [a, b] = [day(fromUs), day(Math.max(fromUs, toUs - 1))];
  return a === b ? a : `${a} to ${b}`;
};

const SIZES = ['B', 'KB', 'MB', 'GB', 'TB'];
export function bytes(n: number): string {
  let [x, unit] = [n, 0];
  while (x >= 999.5 && unit < SIZES.length - 1) [x, unit] = [x / 1000, unit + 1];
  return `${unit === 0 ? x : Number(x.toPrecision(3))} ${SIZES[unit]}`;
}

/** A duration in the unit that fits. */
export function duration(us: number): string {
  const s = us / 1e6;
  if (s < 0.001) return `${Math.round(us)} µs`;
  if (s < 1) return `${short(us / 1000)} ms`;
  if (s < 120) return `${short(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172_800) return `${short(Math.round(s / 360) / 10)} h`;
  return `${Math.round(s / 86_400)} days`;
}

/** The first characters of a digest or a long id; the whole is in the title of the element. */
export const brief = (id: string, length = 12): string => (id.length > length + 2 ? `${id.slice(0, length)}…` : id);
