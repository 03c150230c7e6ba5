// Windows are read in batches, so that a year of small days costs a few runs of DuckDB and not one for each; and a
// batch may be begun before anybody asks for it, while something else is waited for.
import type { Span } from './read-windows.ts';

export interface Read<T> {
  /** By the start of each window; what was empty may be missing. */
  readonly windows: Map<number, T>;
  readonly untilUs: number;
}

export class ReadAhead<T> {
  private readonly read: (first: Span) => Promise<Read<T>>;
  private held: Read<T> = { windows: new Map(), untilUs: -Infinity };
  private begun: { readonly fromUs: number; readonly reading: Promise<Read<T>> } | undefined;

  constructor(read: (first: Span) => Promise<Read<T>>) {
    this.read = read;
  }

  holds = ({ fromUs }: Span): boolean => fromUs < this.held.untilUs;

  /** What goes wrong is told to whoever takes the window. */
  begin(first: Span): void {
    if (this.holds(first) || this.begun?.fromUs === first.fromUs) return;
    const reading = this.read(first);
    reading.catch(() => undefined);
    this.begun = { fromUs: first.fromUs, reading };
  }

  hold(read: Read<T>): void {
    this.held = read;
  }

  /** undefined for a window without anything. Each is told once. */
  async take(window: Span): Promise<T | undefined> {
    if (!this.holds(window)) {
      const { begun } = this;
      this.begun = undefined;
      this.held = await (begun?.fromUs === window.fromUs ? begun.reading : this.read(window));
    }
    const { windows } = this.held;
    const found = windows.get(window.fromUs);
    windows.delete(window.fromUs);
    return found;
  }

  /** Nothing is being read any more. */
  async settled(): Promise<void> {
    await this.begun?.reading.catch(() => undefined);
  }
}
