// The stack and memo of an unpickler, as far as they tell what is imported. Values that cannot be part of a
// name are `undefined`, so that a pickle of any size takes little memory.
import { Unreadable } from './byte-source.ts';

export interface Imported {
  readonly kind: 'import';
  readonly module: string;
  readonly name: string;
}
export interface Made {
  readonly kind: 'made';
  readonly of: Value;
  readonly args: Value;
  state: Value;
}
export interface Small {
  readonly kind: 'small';
  readonly entries: Map<string, Value>;
}
export type Value = undefined | null | boolean | number | string | readonly Value[] | Imported | Made | Small;

export const MARK = Symbol('mark');

const MOST_ITEMS = 4_000_000;
const MOST_BYTES = 32 * 1024 * 1024;
/** Longer tuples and dictionaries are not looked into. */
const SMALL = 32;

export class Machine {
  readonly #stack: (Value | typeof MARK)[] = [];
  readonly #memo = new Map<number, Value>();
  /** MEMOIZE numbers by how much is in the memo, also what is not kept here. */
  #memoized = 0;
  #memoBytes = 0;
  #stackBytes = 0;

  push(value: Value | typeof MARK): void {
    if (this.#stack.length >= MOST_ITEMS) throw new Unreadable('its stack grows beyond what is followed');
    // What is forgotten here makes a name that cannot be told later, and that is said.
    const isForgotten = typeof value === 'string' && this.#stackBytes + value.length > MOST_BYTES;
    if (typeof value === 'string' && !isForgotten) this.#stackBytes += value.length;
    this.#stack.push(isForgotten ? undefined : value);
  }

  /** The topmost item, a mark or not, goes. */
  drop(): Value | typeof MARK {
    if (this.#stack.length === 0) throw new Unreadable('it takes more from its stack than there is');
    const value = this.#stack.pop();
    if (typeof value === 'string') this.#stackBytes -= value.length;
    return value;
  }

  pop(): Value {
    const value = this.drop();
    if (value === MARK) throw new Unreadable('it takes a mark for a value');
    return value;
  }

  get top(): Value {
    const value = this.#stack.at(-1);
    if (this.#stack.length === 0 || value === MARK) throw new Unreadable('it takes more from its stack than there is');
    return value as Value;
  }

  /** The items since the last mark, which goes; more than `keep` are only counted. */
  popToMark(): { items: readonly Value[]; count: number } {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) throw new Unreadable('it ends items that never began');
    const count = this.#stack.length - at - 1;
    const items = count <= SMALL * 2 ? (this.#stack.slice(at + 1) as Value[]) : [];
    while (this.#stack.length > at) this.drop();
    return { items, count };
  }

  put(index: number, value: Value): void {
    if (!this.#memo.has(index)) this.#memoized++;
    if (typeof value === 'string') this.#memoBytes += value.length;
    this.#memo.set(index, this.#memoBytes > MOST_BYTES ? undefined : value);
    if (this.#memo.size > MOST_ITEMS) throw new Unreadable('its memo grows beyond what is followed');
  }

  memoize(value: Value): void {
    this.put(this.#memoized, value);
  }

  get(index: number): Value {
    return this.#memo.get(index);
  }
}

const isPlain = (value: Value): boolean => typeof value !== 'object' || value === null;

/** A tuple that is looked into: short, and of plain values. Nothing here nests, so nothing here grows. */
export const tupleOf = (items: readonly Value[], count = items.length): Value =>
  count <= SMALL && items.length === count ? items.map((v) => (isPlain(v) ? v : undefined)) : undefined;

const isKind = <K extends 'import' | 'made' | 'small'>(value: Value, kind: K): value is Extract<Value, { kind: K }> =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;

export const isImport = (value: Value, module: RegExp, name: string): boolean =>
  isKind(value, 'import') && module.test(value.module) && value.name === name;
export const isMade = (value: Value): value is Made => isKind(value, 'made');
export const isSmall = (value: Value): value is Small => isKind(value, 'small');

export const made = (of: Value, args: Value): Made => ({
  kind: 'made',
  of: isKind(of, 'import') ? of : undefined,
  args: Array.isArray(args) ? args : undefined,
  state: undefined,
});

const isDtype = (value: Value): boolean => isMade(value) && isImport(value.of, /^numpy$/, 'dtype');

/** Puts entries into a dictionary that is still looked into. */
export function setEntries(target: Value, items: readonly Value[]): void {
  if (!isSmall(target)) return;
  for (let i = 0; i + 1 < items.length; i += 2) {
    const [key, value] = [items[i], items[i + 1]];
    if (typeof key !== 'string' || target.entries.size >= SMALL) continue;
    target.entries.set(key, isPlain(value) || Array.isArray(value) || isDtype(value) ? value : undefined);
  }
}
