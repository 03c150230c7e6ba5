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

/** What could not be read, and where. */
class Unreadable extends Error {
  readonly path: string;
  readonly value: unknown;
  readonly reason: string | undefined;
  constructor(path: string, value: unknown, reason?: string) {
    super('unreadable');
    this.path = path;
    this.value = value;
    this.reason = reason;
  }
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

function readScalar(kind: Scalar, value: unknown, path: string): string | number | boolean {
  if (kind === 'string') {
    if (typeof value !== 'string' || !value.isWellFormed()) throw new Unreadable(path, value);
    // PostgreSQL stores no NUL, and nobody means one.
    if (value.includes('\0')) throw new Unreadable(path, value, 'it contains a NUL character.');
    return value;
  }
  if (kind === 'bool') {
    if (typeof value !== 'boolean') throw new Unreadable(path, value);
    return value;
  }
  if (kind === 'double') return readDouble(value) ?? raise(new Unreadable(path, value));
  const number = readInteger(value) ?? raise(new Unreadable(path, value));
  // Refused rather than rounded.
  if (!Number.isSafeInteger(number)) throw new Unreadable(path, value, 'whole numbers are kept up to 2^53 - 1.');
  return number;
}
const raise = (error: Error): never => {
  throw error;
};

function readEnum(names: ReadonlyMap<string, number>, value: unknown, path: string): number | undefined {
  if (typeof value === 'string' && names.has(value)) return names.get(value);
  const number = readInteger(value);
  if (number === undefined && typeof value === 'string') return undefined;
  return number !== undefined && [...names.values()].includes(number) ? number : raise(new Unreadable(path, value));
}

function readField(field: Field, value: unknown, path: string): unknown {
  if (typeof field === 'string') return readScalar(field, value, path);
  if (field instanceof Map) return readEnum(field as ReadonlyMap<string, number>, value, path);
  if (Array.isArray(field)) {
    const [of] = field as readonly [Scalar | Message];
    if (!Array.isArray(value)) throw new Unreadable(path, value);
    return value.map((item: unknown, i) => readField(of, item, `${path}[${i}]`));
  }
  return readMessage(field as Message, value, `${path}.`);
}

function readMessage(message: Message, value: unknown, path: string): Raw {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Unreadable(path.slice(0, -1), value);
  const names = namesOf(message);
  const read: Record<string, unknown> = {};
  for (const given in value) {
    const found = names.get(given);
    const member = found && (value as Raw)[given];
    if (member === undefined || member === null) continue;
    const [name, field] = found!;
    // Two spellings of one name could mean one thing to who permits and another to who acts.
    if (given !== name && Object.hasOwn(value, name)) invalid(`Request specifies both '${name}' and '${given}'; provide only one of them.`);
    const result = readField(field, member, path + name);
    if (result !== undefined) read[name] = result;
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
    values = readMessage(request.fields, raw, '');
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    if (error.reason) return invalid(`Invalid value for parameter '${error.path}' supplied: ${error.reason}`);
    checkRules(request, raw, false);
    // MLflow goes on with what it had read so far; that would lose what comes after.
    return wrong(error.path, error.value);
  }
  checkRules(request, raw, true);
  return new Args(values);
}
