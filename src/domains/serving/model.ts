// Values on their way into a model: checking what a caller sends, and what happens to a value that is
// missing or cannot be used. Pure.
import type { ColumnType, Missing } from './schema.ts';
import type { Value } from './log/record.ts';

export type { Value };

/** Stands for a bare NaN in a body, which is not JSON but what Python writes (see parseBody in http/protocol.ts). */
export const NOT_A_NUMBER = '\u0000NaN';
export const INFINITE = '\u0000Infinity';

/** Why a value cannot be used as it is. */
export const faultKinds = ['missing', 'nan', 'wrong-type', 'out-of-range', 'unknown-entity', 'unknown-column'] as const;
export type FaultKind = (typeof faultKinds)[number];

/** A column of a shipped file: `request` and `inputs` are structs of these. Types of the file: see `sqlType`. */
export interface LoggedColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** What holds a column's values in a shipped file; null is missing in all of them. */
export const sqlType: Readonly<Record<ColumnType, string>> = {
  number: 'DOUBLE',
  integer: 'BIGINT',
  string: 'VARCHAR',
  boolean: 'BOOLEAN',
};

/** What holds the microseconds of each stage of a request. */
export const stagesType = 'STRUCT(parse BIGINT, features BIGINT, queue BIGINT, model BIGINT)';

/** A column of the endpoint, with what the models behind it can take. */
export interface Slot {
  readonly name: string;
  readonly type: ColumnType;
  readonly missing: Missing;
  /** The largest magnitude a number may have: float32 and int32 inputs hold less than a JSON number. */
  readonly limit: number;
  /** An int or bool input of a model has no way to say "missing". */
  readonly mayBeMissing: boolean;
}

export type Checked = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly kind: FaultKind };

const missing: Checked = { ok: false, kind: 'missing' };
const notANumber: Checked = { ok: false, kind: 'nan' };
const wrongType: Checked = { ok: false, kind: 'wrong-type' };
const outOfRange: Checked = { ok: false, kind: 'out-of-range' };

/** Checks one JSON value against its column. Nothing is converted. */
export function checkValue(slot: Slot, value: unknown): Checked {
  if (value === undefined || value === null) return missing;
  if (value === NOT_A_NUMBER || (typeof value === 'number' && Number.isNaN(value))) return notANumber;
  if (value === INFINITE) return slot.type === 'number' || slot.type === 'integer' ? outOfRange : wrongType;
  switch (slot.type) {
    case 'number':
      if (typeof value !== 'number') return wrongType;
      return Math.abs(value) <= slot.limit ? { ok: true, value } : outOfRange;
    case 'integer':
      if (typeof value !== 'number') return wrongType;
      // Beyond 2^53 the parser has already lost digits; better refused than wrong.
      if (Math.abs(value) > slot.limit) return outOfRange;
      return Number.isInteger(value) ? { ok: true, value } : wrongType;
    case 'boolean':
      return typeof value === 'boolean' ? { ok: true, value } : wrongType;
    case 'string':
      return typeof value === 'string' ? { ok: true, value } : wrongType;
  }
}

export const limitOf: Readonly<Record<string, number>> = {
  float32: 3.4028234663852886e38,
  float64: Number.MAX_VALUE,
  int32: 2 ** 31 - 1,
  int64: Number.MAX_SAFE_INTEGER,
};

export type Resolved = { readonly use: Value } | 'refuse';

/** What the endpoint declares for a value that cannot be used. `null` passes only what is missing. */
export function resolve(slot: Slot, kind: FaultKind): Resolved {
  const { missing: rule } = slot;
  if (rule === 'reject') return 'refuse';
  if (rule !== null) return { use: rule.default };
  const isAbsent = kind === 'missing' || kind === 'nan' || kind === 'unknown-entity';
  return isAbsent && slot.mayBeMissing ? { use: null } : 'refuse';
}

const expected: Readonly<Record<ColumnType, string>> = {
  number: 'a number',
  integer: 'a whole number',
  string: 'a string',
  boolean: 'true or false',
};

/** The sentence a caller gets; never the value itself, which may be personal. */
export function describeFault(slot: Slot, kind: FaultKind, entity?: readonly string[]): string {
  switch (kind) {
    case 'missing':
      return entity
        ? `"${slot.name}" has no value for this ${entity.join(', ')} at this time, and the endpoint has no default for it`
        : `"${slot.name}" is missing; send ${expected[slot.type]}`;
    case 'nan':
      return `"${slot.name}" is NaN; send ${expected[slot.type]}`;
    case 'wrong-type':
      return `"${slot.name}" must be ${expected[slot.type]}`;
    case 'out-of-range':
      return `"${slot.name}" is outside of what its type can hold; send ${expected[slot.type]} of at most ${slot.limit}`;
    case 'unknown-entity':
      return `"${slot.name}" is not known for this ${(entity ?? []).join(', ')} at this time, and the endpoint has no default for it`;
    case 'unknown-column':
      return `"${slot.name}" is not a column of this endpoint; remove it or mend its name`;
  }
}

/**
 * Microseconds since 1970 from an ISO time with a zone or a number of microseconds; undefined if neither. Go and Java
 * write up to nine digits of a second, Python a space for the T: RFC 3339 has both.
 */
export function parseEventTime(text: string): number | undefined {
  if (/^\d{1,16}$/.test(text)) return Number(text) <= Number.MAX_SAFE_INTEGER ? Number(text) : undefined;
  const match = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,6})\d{0,3})?(Z|[+-]\d{2}:\d{2})$/i.exec(text);
  if (!match) return undefined;
  // Date.parse takes 30 February for 2 March.
  if (Number(match[1]!.slice(8)) > 28 && !isDay(match[1]!)) return undefined;
  const ms = Date.parse(`${match[1]}T${match[2]}${match[4]!.toUpperCase()}`);
  return Number.isNaN(ms) ? undefined : ms * 1000 + Number((match[3] ?? '0').padEnd(6, '0'));
}

const isDay = (day: string): boolean => {
  const ms = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day);
};
