// A subject is `kind=value`, for example `tailnum=N14228`. Which columns hold the identifier, and how a value
// there is compared with it. Pure.
import { sqlName, sqlText } from '../../kernel/compute/compute.ts';
import { canonical, comparedSql, isAnyCase, plainPart, valuePattern } from './forms.ts';

export interface Subject {
  readonly kind: string;
  readonly value: string;
  /** Names of columns that hold the identifier, wherever a column of that name occurs. */
  readonly columns: readonly string[];
  /** Further columns of single datasets, whose names say nothing elsewhere. */
  readonly copies?: Readonly<Record<string, readonly string[]>>;
}

/** What an erased value is written as where text has to stay. */
export const ERASED = '[erased]';

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
  const conditions = columns.flatMap(({ name, type }) => {
    const x = sqlName(name);
    if (/STRUCT|MAP|\[\]/.test(type)) {
      const text = `to_json(${x})::varchar`;
      // The members of a structure are named in its type; those of a map or of JSON are not.
      const named = (id: string): boolean => /MAP|JSON/.test(type) || type.toLowerCase().includes(id.toLowerCase().replaceAll('"', '""'));
      return identifiers.filter(named).flatMap((id) => values.map((v) => memberSql(text, id, v)));
    }
    if (identifiers.some((id) => holds(name, id))) return [`(${comparedSql(x, values)}) in (${list})`];
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
  const name = identifier.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const number = /^-?\d+(\.\d+)?$/.test(value) ? `|${value.replace('.', '\\.')}(\\.0+)?[\\s,}\\]]` : '';
  // JSON that is itself a text in JSON has a backslash before each of its marks.
  const pattern = sqlText(`(?i:"${name})\\\\*"\\s*:\\s*(\\\\*"${valuePattern(value)}\\\\*"${number})`);
  return `case when ${mayContainSql(text, value)} then ${also}regexp_matches(${text}, ${pattern}) else false end`;
}

/** False for a text that certainly does not hold the value: a search for bytes is cheaper than an expression. */
export function mayContainSql(text: string, value: string): string {
  const part = plainPart(value);
  if (part === '') return 'true';
  return isAnyCase(canonical(value)) ? `contains(lower(${text}), ${sqlText(part)})` : `contains(${text}, ${sqlText(part)})`;
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

/** A text or a JSON value without the subject, or undefined if it does not hold it. `row`: the record it is of, by column. */
export type Redact = (text: string, json: boolean, row?: Readonly<Record<string, unknown>>) => string | undefined;
