// Windows are read in batches, so that a year of small days costs a few runs of DuckDB and not one for each.
import type { Span } from './read-windows.ts';

export interface Read<T> {
  /** By the start of each window; what was empty may be missing. */
  readonly windows: Map<number, T>;
  readonly untilUs: number;
}

export class Batches<T> {
  private readonly read: (first: Span) => Promise<Read<T>>;
  private held: Read<T> = { windows: new Map(), untilUs: -Infinity };

  constructor(read: (first: Span) => Promise<Read<T>>) {
    this.read = read;
  }

  holds = ({ fromUs }: Span): boolean => fromUs < this.held.untilUs;

  hold(read: Read<T>): void {
    this.held = read;
  }

  /** undefined for a window without anything. Each is told once. */
  async take(window: Span): Promise<T | undefined> {
    if (!this.holds(window)) this.held = await this.read(window);
    const { windows } = this.held;
    const found = windows.get(window.fromUs);
    windows.delete(window.fromUs);
    return found;
  }
}
