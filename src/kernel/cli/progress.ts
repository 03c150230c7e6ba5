// Progress of long work: what, how far, at what rate, and how long it will take still. On a terminal one
// line is redrawn; elsewhere a line is written every few seconds.
import { count, duration, type Terminal } from './terminal.ts';

export interface Progress {
  /** `of` may become known, or grow, while the work goes on. */
  update(done: number, of?: number): void;
  /** Ends the line; the text replaces it. */
  end(text?: string): void;
}

const REDRAW_MS = 100;
const LINE_MS = 5000;

export function startProgress(terminal: Terminal, what: string, unit: string, total?: number): Progress {
  const began = performance.now();
  let last = terminal.interactive ? -Infinity : began;
  let of = total;
  const clear = (): void => terminal.draw(`\r${' '.repeat(Math.max(0, terminal.columns - 1))}\r`);

  return {
    update: (done, newTotal) => {
      of = newTotal ?? of;
      const now = performance.now();
      if (now - last < (terminal.interactive ? REDRAW_MS : LINE_MS)) return;
      last = now;
      const text = describe(what, unit, done, of, now - began);
      if (terminal.interactive) {
        clear();
        terminal.draw(text.slice(0, terminal.columns - 1));
      } else terminal.say(text);
    },
    end: (text) => {
      if (terminal.interactive) clear();
      if (text !== undefined) terminal.say(text);
    },
  };
}

/** "predictions  12,000 of 27,000 (44 %)  2,150/s  7.0 s left" */
export function describe(what: string, unit: string, done: number, of: number | undefined, elapsedMs: number): string {
  const rate = elapsedMs > 0 ? (done / elapsedMs) * 1000 : 0;
  const parts = [
    of === undefined
      ? `${what}  ${count(done)} ${unit}`
      : `${what}  ${count(done)} of ${count(of)} ${unit} (${Math.floor((done / Math.max(of, 1)) * 100)} %)`,
  ];
  if (rate > 0) parts.push(`${count(Math.round(rate))}/s`);
  if (of !== undefined && rate > 0 && done < of) parts.push(`${duration(((of - done) / rate) * 1000)} left`);
  return parts.join('  ');
}
