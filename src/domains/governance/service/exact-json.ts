// JSON read and written again without a change to what is in it: a number that JavaScript would write in other figures
// (beyond 2^53, 1.0, 1e400) stays as it was written. Pure.

/** A number in the figures that it was written in. */
export interface RawNumber {
  readonly rawJSON: string;
}
export type Json = null | boolean | number | string | RawNumber | Json[] | { [name: string]: Json };

// TypeScript's library does not know of them yet (ES2026, JSON.parse source text access).
const { isRawJSON, rawJSON } = JSON as unknown as { isRawJSON(value: unknown): boolean; rawJSON(text: string): RawNumber };

export const isRaw = (value: unknown): value is RawNumber => isRawJSON(value);

// What may be a number of the kind; without one there is nothing to keep, and reading is several times faster.
const ODD = /\d{16}|\d\.\d*0(?!\d)|\d[eE]|-0(?![.\d])/;

/** Raises a SyntaxError for what is no JSON. */
export const parseExactly = (text: string): Json =>
  !ODD.test(text)
    ? JSON.parse(text)
    : JSON.parse(text, ((_: string, value: unknown, { source }: { source?: string }) =>
        typeof value === 'number' && source !== undefined && String(value) !== source ? rawJSON(source) : value) as never);

export const writeExactly = (value: Json): string => JSON.stringify(value);
