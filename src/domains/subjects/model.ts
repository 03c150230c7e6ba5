// A subject is `kind=value`, for example `tailnum=N14228`. Which columns hold the identifier, and how a value
// there is compared with it. Pure.
import { sqlName, sqlText } from '../../kernel/compute/compute.ts';

export interface Subject {
  readonly kind: string;
  readonly value: string;
  /** Names of columns that hold the identifier, wherever a column of that name occurs. */
  readonly columns: readonly string[];
}

/** What an erased value is written as where text has to stay. */
export const ERASED = '[erased]';

/** A value as text: whole numbers without a point, so that 42 and 42.0 are one customer. */
export const canonical = (value: unknown): string =>
  typeof value === 'boolean' || typeof value === 'bigint' ? String(value) : String(value as string | number).replace(/^(-?\d+)\.0+$/, '$1');

/** The same in DuckDB, of any expression. */
export const canonicalSql = (expression: string): string => `regexp_replace((${expression})::varchar, '^(-?[0-9]+)\\.0+$', '\\1')`;

/** "origin__tailnum", "request.tailnum" and "in_tailnum" are columns of what "tailnum" names. */
export const holds = (column: string, identifier: string): boolean => {
  const [have, want] = [column.toLowerCase(), identifier.toLowerCase()];
  return (
    have === want ||
    ['__', '.', ':', '/'].some((mark) => have.endsWith(`${mark}${want}`)) ||
    (/^(request|input|in|entity|feature)s?_/.test(have) && have.replace(/^(request|input|in|entity|feature)s?_/, '') === want)
  );
};

export interface TableColumn {
  readonly name: string;
  readonly type: string;
}

/**
 * A condition that is true for rows of the subject: in a column that holds the identifier, in a member of that
 * name of JSON text, or inside a nested value. Undefined if no column of the table can hold it. `values` are the
 * identifier and what stands for it in the table (a pseudonym).
 */
export function subjectSql(columns: readonly TableColumn[], identifiers: readonly string[], values: readonly string[]): string | undefined {
  const list = values.map((v) => sqlText(canonical(v))).join(', ');
  // Only a whole number has another form.
  const own = values.some((v) => /^-?\d+$/.test(canonical(v))) ? canonicalSql : (x: string): string => `${x}::varchar`;
  const conditions = columns.flatMap(({ name, type }) => {
    const x = sqlName(name);
    if (/STRUCT|MAP|\[\]/.test(type)) {
      const text = `to_json(${x})::varchar`;
      // The members of a structure are named in its type; those of a map or of JSON are not.
      const named = (id: string): boolean => /MAP|JSON/.test(type) || type.toLowerCase().includes(id.toLowerCase().replaceAll('"', '""'));
      return identifiers.filter(named).flatMap((id) => values.map((v) => memberSql(text, id, v)));
    }
    if (identifiers.some((id) => holds(name, id))) return [`${own(x)} in (${list})`];
    if (!/^(VARCHAR|JSON)$/.test(type)) return [];
    // Text that is an object in JSON; anything else is looked at by its column's name only.
    return identifiers.flatMap((id) =>
      values.map((v) => memberSql(`${x}::varchar`, id, v, `left(ltrim(${x}::varchar), 1) in ('{', '[') and `)),
    );
  });
  return conditions.length === 0 ? undefined : `coalesce(${conditions.join('\n or ')}, false)`;
}

// A member of JSON text with this name, in whatever case, and value, however deep; spaces around the colon are allowed.
// Most texts do not have the value at all, and are not taken apart.
function memberSql(text: string, identifier: string, value: string, also = ''): string {
  const escape = (part: string): string => part.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
  const quoted = escape(JSON.stringify(value));
  const number = /^-?\d+(\.\d+)?$/.test(value) ? `|${escape(value)}(\\.0+)?[\\s,}\\]]` : '';
  const pattern = sqlText(`(?i:"${escape(identifier)}")\\s*:\\s*(${quoted}${number})`);
  return `case when contains(${text}, ${sqlText(JSON.stringify(value).slice(1, -1))}) then ${also}regexp_matches(${text}, ${pattern}) else false end`;
}

/** A file of the immutable zone that a record refers to, as the domain that owns the record tells of it. */
export interface HeldFile {
  readonly digest: string;
  /** What kind of place it is, in words: "dataset version", "training table", ... */
  readonly place: string;
  /** null = of no project in particular. */
  readonly project: string | null;
  /** Datasets whose key the column `row_key` is made of. */
  readonly spines?: readonly string[];
  /** The dataset that it is part of. */
  readonly dataset?: string;
  /** Its column `id` is a prediction's. */
  readonly predictions?: true;
  /** Bytes that cannot be changed without changing what they are: code, models. */
  readonly opaque?: true;
}

/** What took a file's place. */
export interface Replacement {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly rows: number;
  readonly removed: number;
  /** Logical digest of the rows that stayed; null for what is no table. */
  readonly logicalDigest: string | null;
}
export type Replaced = ReadonlyMap<string, Replacement>;

/** Turns a text or a JSON value without the subject, or undefined if it does not hold it. */
export type Redact = (text: string, json: boolean) => string | undefined;
