// DuckDB's values as plain JavaScript: integers as numbers, times as unix microseconds, days as ISO dates.
import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from '@duckdb/node-api';

/** Integers beyond 2^53 become text, so that no digit is lost silently. */
const toNumber = (value: bigint): number | string =>
  value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER) ? Number(value) : value.toString();

export function toPlain(value: DuckDBValue): unknown {
  if (value === null || typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return toNumber(value);
  if (value instanceof DuckDBTimestampValue || value instanceof DuckDBTimestampTZValue) return Number(value.micros);
  if (value instanceof DuckDBTimestampMillisecondsValue) return Number(value.millis) * 1000;
  if (value instanceof DuckDBTimestampSecondsValue) return Number(value.seconds) * 1_000_000;
  if (value instanceof DuckDBTimestampNanosecondsValue) return Number(value.nanos / 1000n);
  if (value instanceof DuckDBDecimalValue) return Number(value.value) / 10 ** value.scale;
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(toPlain);
  if (value instanceof DuckDBStructValue) return Object.fromEntries(Object.entries(value.entries).map(([k, v]) => [k, toPlain(v)]));
  if (value instanceof DuckDBMapValue) return value.entries.map(({ key, value: v }) => ({ key: toPlain(key), value: toPlain(v) }));
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('base64');
  // Its own text takes an infinite day for a date far away.
  if (value instanceof DuckDBDateValue && !value.isFinite) return value.days > 0 ? 'infinity' : '-infinity';
  return String(value);
}
