// Requests as MLflow reads them: JSON into proto2 messages. Unknown members and unknown names of an enumeration are
// passed over, int64 comes as number or text, and types are complained about only when the message cannot be read.
import { Args, camelCased, missing, wrong, type Raw } from './args.ts';
import { invalid } from './errors.ts';

export type Scalar = 'string' | 'int64' | 'double' | 'bool';
/** Members by their snake_case names. */
export interface Message {
  readonly [name: string]: Field;
}
/** `[x]` is a list of x; a `Map` an enumeration, name to number. */
export type Field = Scalar | Message | ReadonlyMap<string, number> | readonly [Scalar | Message];

/** Checks one member of the request as it was sent; the reason, or undefined. A reason of "" says what type it has. */
type Check = (value: unknown) => string | undefined;
export type Rule = 'required' | 'string' | 'int' | 'float' | 'array' | 'strings' | Check;

export interface Request {
  readonly fields: Message;
  /** In the order in which MLflow looks; a member is looked at if it is there or required. */
  readonly rules?: Readonly<Record<string, readonly Rule[]>>;
}

/** What could not be read; the path to it grows on the way out, for the paths of what can be read nobody needs. */
class Unreadable extends Error {
  path = '';
  readonly value: unknown;
  readonly reason: string | undefined;
  constructor(value: unknown, reason?: string) {
    super('unreadable');
    this.value = value;
    this.reason = reason;
  }
}

/** An error within `part`. */
function within(part: string, error: unknown): unknown {
  if (error instanceof Unreadable) error.path = part + (error.path === '' || error.path.startsWith('[') ? '' : '.') + error.path;
  return error;
}

const byName = new WeakMap<Message, ReadonlyMap<string, readonly [string, Field]>>();
function namesOf(message: Message): ReadonlyMap<string, readonly [string, Field]> {
  let names = byName.get(message);
  if (!names) {
    names = new Map(Object.entries(message).flatMap(([name, field]) => [name, camelCased(name)].map((n) => [n, [name, field] as const])));
    byName.set(message, names);
  }
  return names;
}

const INTEGER = /^[-+]?\d+(_\d+)*$/;
const DOUBLE = /^[-+]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[-+]?\d+)?$/i;
const NAMED: Readonly<Record<string, number>> = { nan: Number.NaN, inf: Infinity, infinity: Infinity };

function readDouble(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value === 'boolean') return Number(value);
  if (typeof value !== 'string' || value === 'nan') return undefined;
  const text = value.trim();
  if (DOUBLE.test(text)) return Number(text.replaceAll('_', ''));
  const named = NAMED[text.replace(/^[-+]/, '').toLowerCase()];
  return named !== undefined && text.startsWith('-') ? -named : named;
}

function readInteger(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) ? value : undefined;
  if (typeof value !== 'string' || value.includes(' ')) return undefined;
  const text = value.trim();
  const number = INTEGER.test(text) ? Number(text.replaceAll('_', '')) : DOUBLE.test(text) ? readDouble(text) : undefined;
  return number !== undefined && Number.isInteger(number) ? number : undefined;
}

function readScalar(kind: Scalar, value: unknown): string | number | boolean {
  // What nearly all of them are, thousands at once.
  if (typeof value === 'number' && (kind === 'double' ? Number.isFinite(value) : kind === 'int64' && Number.isSafeInteger(value)))
    return value;
  if (kind === 'string') {
    if (typeof value !== 'string' || !value.isWellFormed()) throw new Unreadable(value);
    // PostgreSQL stores no NUL, and nobody means one.
    if (value.includes('\0')) throw new Unreadable(value, 'it contains a NUL character.');
    return value;
  }
  if (kind === 'bool') {
    if (typeof value !== 'boolean') throw new Unreadable(value);
    return value;
  }
  const number = kind === 'double' ? readDouble(value) : readInteger(value);
  if (number === undefined) throw new Unreadable(value);
  // Refused rather than rounded.
  if (kind === 'int64' && !Number.isSafeInteger(number)) throw new Unreadable(value, 'whole numbers are kept up to 2^53 - 1.');
  return number;
}

function readEnum(names: ReadonlyMap<string, number>, value: unknown): number | undefined {
  if (typeof value === 'string' && names.has(value)) return names.get(value);
  const number = readInteger(value);
  if (number === undefined && typeof value === 'string') return undefined;
  if (number === undefined || ![...names.values()].includes(number)) throw new Unreadable(value);
  return number;
}

function readField(field: Field, value: unknown): unknown {
  if (typeof field === 'string') return readScalar(field, value);
  if (field instanceof Map) return readEnum(field as ReadonlyMap<string, number>, value);
  return Array.isArray(field) ? readList(field[0] as Scalar | Message, value) : readMessage(field as Message, value);
}

function readList(of: Scalar | Message, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Unreadable(value);
  const items: unknown[] = [];
  try {
    for (const item of value as unknown[]) items.push(readField(of, item));
  } catch (error) {
    throw within(`[${items.length}]`, error);
  }
  return items;
}

function readMessage(message: Message, value: unknown): Raw {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Unreadable(value);
  const names = namesOf(message);
  const read: Record<string, unknown> = {};
  let at = '';
  try {
    for (const given in value) {
      const found = names.get(given);
      const member = found && (value as Raw)[given];
      if (member === undefined || member === null) continue;
      const [name, field] = found!;
      at = name;
      // Two spellings of one name could mean one thing to who permits and another to who acts.
      if (given !== name && Object.hasOwn(value, name))
        invalid(`Request specifies both '${name}' and '${given}'; provide only one of them.`);
      const result = readField(field, member);
      if (result !== undefined) read[name] = result;
    }
  } catch (error) {
    throw within(at, error);
  }
  return read;
}

// What MLflow's own look at a type is, in Python: `int("7")` is one, and so is `int(1.5)`.
const TYPES: Readonly<Record<Exclude<Rule, 'required' | Check>, (value: unknown) => boolean>> = {
  string: (v) => typeof v === 'string',
  int: (v) => typeof v === 'number' || typeof v === 'boolean' || (typeof v === 'string' && INTEGER.test(v.trim())),
  float: (v) => readDouble(v) !== undefined || v === 'nan',
  array: (v) => Array.isArray(v),
  strings: (v) => Array.isArray(v) && v.every((item) => typeof item === 'string'),
};

function checkRules(request: Request, raw: Raw, readable: boolean): void {
  for (const [name, rules] of Object.entries(request.rules ?? {})) {
    const given = raw[name] ?? raw[camelCased(name)] ?? (name === 'run_id' ? (raw.run_uuid ?? raw.runUuid) : undefined);
    if (given === undefined && !rules.includes('required')) continue;
    for (const rule of rules) {
      if (rule === 'required') {
        if (given === undefined || given === null || given === '') missing(name);
      } else if (typeof rule === 'function') {
        const reason = given === undefined || given === null ? undefined : rule(given);
        if (reason === '') wrong(name, given);
        if (reason) invalid(`${reason} See the API docs for more information about request parameters.`);
      } else if (!readable && given !== undefined && !TYPES[rule](given)) wrong(name, given);
    }
  }
}

/** The members of a query string that the message has; lists by repeated keys, `True` and `False` as Python writes them. */
export function fromQuery(message: Message, rawQuery: string): Raw {
  const query = new URLSearchParams(rawQuery);
  const values: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(message)) {
    if (!query.has(name)) continue;
    const value = query.get(name)!;
    if (Array.isArray(field)) values[name] = query.getAll(name);
    else if (field === 'bool') {
      if (!/^(true|false)$/i.test(value)) invalid(`Invalid boolean value: ${value}, must be 'true' or 'false'.`);
      values[name] = value.toLowerCase() === 'true';
    } else values[name] = value;
  }
  return values;
}

/** The request's members, each of its type and under its snake_case name. Raises `mlflow-parameter-invalid`. */
export function readRequest(request: Request, raw: Raw): Args {
  let values: Raw;
  try {
    values = readMessage(request.fields, raw);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    if (error.reason) return invalid(`Invalid value for parameter '${error.path}' supplied: ${error.reason}`);
    checkRules(request, raw, false);
    // MLflow goes on with what it had read so far; that would lose what comes after.
    return wrong(error.path, error.value);
  }
  checkRules(request, raw, true);
  return new Args(values, true);
}
