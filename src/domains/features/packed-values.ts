// Feature values as bytes: a bitmap of nulls, then the values of the columns that are not null, by type.
// number: float64; integer: int64; boolean: one byte; string: u32 length and UTF-8. Little-endian.

export const columnTypes = ['number', 'integer', 'string', 'boolean'] as const;
export type ColumnType = (typeof columnTypes)[number];
export interface FeatureColumn {
  readonly name: string;
  readonly type: ColumnType;
}
/** An integer beyond 2^53 comes and goes as a bigint. */
export type FeatureValue = number | bigint | string | boolean | null;

let scratch = Buffer.allocUnsafe(1024);

export function packValues(columns: readonly FeatureColumn[], values: readonly FeatureValue[]): Uint8Array {
  const bitmap = (columns.length + 7) >> 3;
  let at = bitmap;
  room(0, bitmap);
  scratch.fill(0, 0, bitmap);
  columns.forEach(({ name, type }, i) => {
    const value = values[i] ?? null;
    if (value === null || (typeof value === 'number' && Number.isNaN(value))) {
      scratch[i >> 3]! |= 1 << (i & 7);
      return;
    }
    const wrong = (): never => {
      throw new Error(`feature column "${name}" is declared ${type} but holds ${JSON.stringify(String(value))}`);
    };
    room(at, 12 + (typeof value === 'string' ? value.length * 3 : 0));
    if (type === 'number') at = typeof value === 'number' || typeof value === 'bigint' ? scratch.writeDoubleLE(Number(value), at) : wrong();
    else if (type === 'integer')
      at = typeof value === 'bigint' || Number.isInteger(value) ? scratch.writeBigInt64LE(BigInt(value as number), at) : wrong();
    else if (type === 'boolean') at = typeof value === 'boolean' ? scratch.writeUInt8(value ? 1 : 0, at) : wrong();
    else if (typeof value === 'string') {
      const length = scratch.write(value, at + 4, 'utf8');
      scratch.writeUInt32LE(length, at);
      at += 4 + length;
    } else wrong();
  });
  return Uint8Array.prototype.slice.call(scratch, 0, at);
}

function room(at: number, bytes: number): void {
  if (at + bytes <= scratch.length) return;
  const larger = Buffer.allocUnsafe(Math.max(scratch.length * 2, at + bytes));
  scratch.copy(larger, 0, 0, at);
  scratch = larger;
}

const utf8 = new TextDecoder();

export function unpackValues(columns: readonly FeatureColumn[], packed: Uint8Array): FeatureValue[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const values: FeatureValue[] = [];
  let at = (columns.length + 7) >> 3;
  for (let i = 0; i < columns.length; i++) {
    if (packed[i >> 3]! & (1 << (i & 7))) {
      values[i] = null;
      continue;
    }
    const { type } = columns[i]!;
    if (type === 'number') {
      values[i] = view.getFloat64(at, true);
      at += 8;
    } else if (type === 'integer') {
      const value = view.getBigInt64(at, true);
      values[i] = value <= 9007199254740991n && value >= -9007199254740991n ? Number(value) : value;
      at += 8;
    } else if (type === 'boolean') {
      values[i] = packed[at]! !== 0;
      at += 1;
    } else {
      const length = view.getUint32(at, true);
      values[i] = utf8.decode(packed.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
  }
  return values;
}
