// A record of a model that is served elsewhere: checked, and brought into the form of a line of the log. Pure.
import type { Fault } from '../../../kernel/errors.ts';
import { parseEventTime, type LoggedColumn } from '../model.ts';
import type { ColumnType } from '../schema.ts';

export const EXTERNAL_MEMBERS = ['id', 'at', 'inputs', 'request', 'score', 'model_version', 'variant', 'latency_us', 'error'] as const;
/** A moment before this (1973) is one in seconds or milliseconds. */
export const LEAST_US = 1e14;
export const GREATEST_US = 9e15;

/** What is wrong with a member, in the words of both JSON and Parquet. */
export const memberFaults = {
  id: 'must be a text of 1 to 200 characters that names this prediction alone',
  at: 'must be a moment after 1973: ISO 8601 with a zone (2026-03-01T12:00:00Z), or microseconds since 1970',
  inputs: 'must be an object with the inputs of the model',
  request: 'must be an object of further columns',
  score: 'must be a finite number',
  noScore: 'is missing; a prediction that failed has an "error" instead',
  latency_us: 'must be a number of microseconds',
  text: 'must be a text',
  value: 'must be a number, a text, true, false or null',
  broken: 'has half a character (a surrogate without its other half)',
  name: 'is the name of a column; it must be a text of 1 to 200 characters',
  unknown: 'is not a member of a record; inputs of the model go into "inputs", other columns into "request"',
} as const;

type Struct = Readonly<Record<string, unknown>>;

export interface ExternalRecord {
  readonly id: string;
  readonly atUs: number;
  readonly inputs: Struct;
  readonly request: Struct;
  readonly score: number | null;
  readonly modelVersion: string;
  readonly variant: string;
  readonly latencyUs: number | null;
  readonly error: string | null;
}

const isObject = (value: unknown): value is Struct => typeof value === 'object' && value !== null && !Array.isArray(value);
const isScalar = (value: unknown): boolean => value === null || ['number', 'string', 'boolean'].includes(typeof value);

/** The record, or its faults with the member of each. */
export function parseExternal(value: unknown): { readonly record: ExternalRecord } | { readonly faults: readonly Fault[] } {
  if (!isObject(value)) return { faults: [{ pointer: '', detail: 'is not a JSON object' }] };
  const faults: Fault[] = [];
  const wrong = (pointer: string, detail: string): undefined => void faults.push({ pointer, detail });
  const { id, at, inputs, request = null, score = null, latency_us: latency = null, error = null } = value;
  const name = typeof id === 'number' && Number.isSafeInteger(id) ? String(id) : id;
  if (typeof name !== 'string' || name.length === 0 || name.length > 200 || name.includes('\0')) wrong('id', memberFaults.id);
  else if (!name.isWellFormed()) wrong('id', memberFaults.broken);
  const atUs = typeof at === 'string' ? parseEventTime(at) : typeof at === 'number' && Number.isSafeInteger(at) ? at : undefined;
  if (atUs === undefined || atUs < LEAST_US || atUs > GREATEST_US) wrong('at', memberFaults.at);
  if (!isObject(inputs) || Object.keys(inputs).length === 0) wrong('inputs', memberFaults.inputs);
  if (request !== null && !isObject(request)) wrong('request', memberFaults.request);
  for (const [struct, columns] of Object.entries({ inputs, request }))
    if (isObject(columns))
      for (const key in columns) {
        const given = columns[key];
        if (key.length === 0 || key.length > 200 || !key.isWellFormed())
          wrong(`${struct}/${key.slice(0, 200).toWellFormed()}`, memberFaults.name);
        else if (!isScalar(given)) wrong(`${struct}/${key}`, memberFaults.value);
        else if (typeof given === 'string' && !given.isWellFormed()) wrong(`${struct}/${key}`, memberFaults.broken);
      }
  if (score !== null && (typeof score !== 'number' || !Number.isFinite(score))) wrong('score', memberFaults.score);
  else if (score === null && error === null) wrong('score', memberFaults.noScore);
  for (const key in value) if (!(EXTERNAL_MEMBERS as readonly string[]).includes(key)) wrong(key, memberFaults.unknown);
  if (latency !== null && !(typeof latency === 'number' && latency >= 0 && latency < 1e15)) wrong('latency_us', memberFaults.latency_us);
  const text = (member: string, given: unknown): string | null => {
    if (typeof given === 'string' && !given.isWellFormed()) return wrong(member, memberFaults.broken) ?? null;
    if (given === null || given === undefined || typeof given === 'string') return given ?? null;
    if (member === 'model_version' && typeof given === 'number') return String(given);
    return wrong(member, memberFaults.text) ?? null;
  };
  const [modelVersion, variant, why] = [text('model_version', value.model_version), text('variant', value.variant), text('error', error)];
  if (faults.length > 0) return { faults };
  return {
    record: {
      id: name as string,
      atUs: atUs!,
      inputs: inputs as Struct,
      request: (request ?? {}) as Struct,
      score: score as number | null,
      modelVersion: modelVersion ?? '',
      variant: variant ?? '',
      latencyUs: latency === null ? null : Math.round(latency as number),
      error: why,
    },
  };
}

const NUMBER = 1;
const INTEGER = 2;
const TEXT = 4;
const BOOLEAN = 8;

export interface ColumnCollector {
  readonly add: (struct: Struct) => void;
  /** Columns with a value; those with values of several kinds are text. */
  readonly columns: () => LoggedColumn[];
  /** Names that differ from another in upper and lower case alone, which a struct cannot hold. */
  readonly clashing: () => string[];
}

export function collectColumns(): ColumnCollector {
  const kinds = new Map<string, number>();
  return {
    add: (struct) => {
      for (const name in struct) {
        const value = struct[name];
        const before = kinds.get(name);
        const kind =
          value === null
            ? 0
            : typeof value === 'number'
              ? Number.isSafeInteger(value)
                ? INTEGER
                : NUMBER
              : typeof value === 'string'
                ? TEXT
                : BOOLEAN;
        if (before === undefined || (before & kind) !== kind) kinds.set(name, (before ?? 0) | kind);
      }
    },
    columns: () => [...kinds].flatMap(([name, kind]) => (kind === 0 ? [] : [{ name, type: typeOf(kind) }])),
    clashing: () => {
      const seen = new Set<string>();
      return [...kinds.keys()].filter((name) => seen.has(name.toLowerCase()) || !seen.add(name.toLowerCase()));
    },
  };
}

function typeOf(kind: number): ColumnType {
  if (kind === INTEGER) return 'integer';
  if ((kind & ~(NUMBER | INTEGER)) === 0) return 'number';
  return kind === BOOLEAN ? 'boolean' : 'string';
}

const OUTSIDE_TEXTS = /"(?:[^"\\]|\\.)*"|\bNaN\b|-?\bInfinity\b/g;

/** JSON, and the bare NaN and Infinity that Python writes for numbers that are none: they become null. Raises SyntaxError. */
export function parseLenient(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const mended = text.replace(OUTSIDE_TEXTS, (found) => (found.startsWith('"') ? found : 'null'));
    if (mended === text) throw error;
    return JSON.parse(mended);
  }
}
