// Every difference between the two databases, in one place.

export type ColumnType = 'id' | 'text' | 'int' | 'real' | 'bool' | 'json' | 'bytes';

export interface Dialect {
  readonly name: 'sqlite' | 'postgres';
  readonly columnTypes: Readonly<Record<ColumnType, string>>;
  readonly tableSuffix: string;
  /** Of tables whose rows lie in the primary key. */
  readonly clusteredSuffix: string;
  /** Rows per multi-row insert are bounded by the number of bound values. */
  readonly maxBinds: number;
}

export const sqliteDialect: Dialect = {
  name: 'sqlite',
  columnTypes: { id: 'text', text: 'text', int: 'integer', real: 'real', bool: 'integer', json: 'text', bytes: 'blob' },
  // STRICT makes SQLite refuse a value of the wrong type instead of storing it.
  tableSuffix: ' strict',
  clusteredSuffix: ' strict, without rowid',
  maxBinds: 32_766,
};

export const postgresDialect: Dialect = {
  name: 'postgres',
  // `collate "C"` orders text by bytes, as SQLite does.
  columnTypes: {
    id: 'text collate "C"',
    text: 'text collate "C"',
    int: 'bigint',
    real: 'double precision',
    bool: 'smallint',
    json: 'text',
    bytes: 'bytea',
  },
  tableSuffix: '',
  clusteredSuffix: '',
  maxBinds: 65_535,
};
