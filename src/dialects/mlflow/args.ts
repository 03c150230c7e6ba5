// Arguments of a request, read as leniently as MLflow reads them and refused in its words.
import { invalid } from './errors.ts';

export type Raw = Readonly<Record<string, unknown>>;

const SEE = ' See the API docs for more information about request parameters.';
export const missing = (path: string): never => invalid(`Missing value for required parameter '${path}'.${SEE}`);

// The client is Python, so types go by their names there.
const typeOf = (value: unknown): string => {
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float';
  if (value === null) return 'NoneType';
  return { string: 'str', boolean: 'bool', object: 'dict' }[typeof value as string] ?? 'NoneType';
};
// As Python's json writes it: ASCII, without spaces.
const written = (value: unknown): string =>
  JSON.stringify(value).replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
export const wrong = (path: string, value: unknown): never =>
  invalid(`Invalid value ${written(value)} for parameter '${path}' supplied:  Hint: Value was of type '${typeOf(value)}'.${SEE}`);

// The few names that are asked for, kept: a batch asks for each a thousand times.
const spellings = new Map<string, string>();
export function camelCased(name: string): string {
  let found = spellings.get(name);
  if (found === undefined) spellings.set(name, (found = name.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase())));
  return found;
}

/** What messages put before a name: as text, or by the item that has it. */
type Place = string | { readonly path: string };
const pathOf = (place: Place): string => (typeof place === 'string' ? place : place.path);

/** Names may be snake_case or camelCase; null is absent; `path` is what messages put before the name. */
export class Args {
  readonly #values: Raw;
  readonly #snake: boolean;
  /** `snake`: the names are known to be snake_case, and so are those of what is within. */
  constructor(values: Raw, snake = false) {
    this.#values = values;
    this.#snake = snake;
  }

  get(name: string): unknown {
    const value = this.#values[name] ?? (this.#snake ? undefined : this.#values[camelCased(name)]);
    return value === null ? undefined : value;
  }
  has(name: string): boolean {
    return this.get(name) !== undefined;
  }
  /** Text; absent = "". */
  text(name: string, path: Place = ''): string {
    const value = this.get(name);
    if (value === undefined) return '';
    if (typeof value !== 'string') return wrong(pathOf(path) + name, value);
    // PostgreSQL stores no NUL, and nobody means one.
    return value.includes('\0')
      ? invalid(`Invalid value for parameter '${pathOf(path)}${name}' supplied: it contains a NUL character.`)
      : value;
  }
  required(name: string, path: Place = ''): string {
    const value = this.text(name, path);
    return value === '' ? missing(pathOf(path) + name) : value;
  }
  /** A member of an enumeration, by name or number; absent = "". */
  word(name: string): string {
    const value = this.get(name);
    return typeof value === 'number' ? String(value) : this.text(name);
  }
  int(name: string, path: Place = ''): number | undefined {
    const value = this.get(name);
    if (value === undefined || value === '') return undefined;
    const number =
      typeof value === 'number' ? value : typeof value === 'string' && /^\s*[-+]?\d+\s*$/.test(value) ? Number(value) : Number.NaN;
    return Number.isSafeInteger(number) ? number : wrong(pathOf(path) + name, value);
  }
  requiredInt(name: string, path: Place = ''): number {
    return this.int(name, path) ?? missing(pathOf(path) + name);
  }
  /** A double; NaN and infinities come as text. */
  double(name: string, path: Place = ''): number {
    const value = this.get(name);
    if (typeof value === 'number') return value;
    if (value === undefined || value === '') return missing(pathOf(path) + name);
    if (value === 'NaN') return Number.NaN;
    return typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value))
      ? Number(value)
      : wrong(pathOf(path) + name, value);
  }
  bool(name: string): boolean {
    const value = this.get(name);
    if (value === undefined || typeof value === 'boolean') return value === true;
    const text = typeof value === 'string' ? value.toLowerCase() : '';
    return text === 'true' || (text === 'false' ? false : invalid(`Invalid boolean value: ${String(value)}, must be 'true' or 'false'.`));
  }
  texts(name: string): string[] {
    const value = this.get(name);
    if (value === undefined) return [];
    if (!Array.isArray(value) && typeof value !== 'string') return wrong(name, value);
    return [value].flat().map((item, i) => new Args({ [name]: item as unknown }).text(name, i === 0 ? '' : `[${i}].`));
  }
  /** Objects of a list, each with its path for messages. */
  list(name: string): Item[] {
    const value = this.get(name);
    if (value === undefined) return [];
    if (!Array.isArray(value)) return wrong(name, value);
    return value.map((item: unknown, i) => new Item(asArgs(item, name, this.#snake, i), name, i));
  }
  child(name: string, path = ''): Args {
    return this.has(name) ? asArgs(this.get(name), path + name, this.#snake) : missing(path + name);
  }
  pairs(name: string): { key: string; value: string }[] {
    return this.list(name).map(({ at, path }) => ({ key: at.required('key', path), value: at.text('value', path) }));
  }
}

/** One of a list. Its path is needed for messages only, and a batch has a thousand of them. */
class Item {
  readonly at: Args;
  readonly #list: string;
  readonly #index: number;
  constructor(at: Args, list: string, index: number) {
    this.at = at;
    this.#list = list;
    this.#index = index;
  }
  get path(): string {
    return `${this.#list}[${this.#index}].`;
  }
}

const asArgs = (value: unknown, path: string, snake: boolean, index?: number): Args =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? new Args(value as Raw, snake)
    : wrong(index === undefined ? path : `${path}[${index}]`, value);
