// A subject taken out of documents: JSON, lines of JSON, CSV, plain text. Rows of the subject go as a whole;
// where a value stands by itself, a mark takes its place. Pure.
import { canonical, ERASED, holds, isDistinctive, valuePattern, type Subject } from '../../subjects/public.ts';
import { isRaw, parseExactly, writeExactly, type Json } from './exact-json.ts';

export interface Cleared {
  readonly text: string;
  /** Rows that went. */
  readonly removed: number;
}

export interface Matcher {
  readonly subject: Subject;
  /** The identifier, and what stands for it (a pseudonym). */
  readonly values: readonly string[];
  /** Says whether a row with this `row_key` is the subject's. */
  readonly isRowKey: (key: string) => boolean;
  /** Says whether this is a prediction about the subject. */
  readonly isPrediction: (id: string) => boolean;
  /** False for a text that certainly holds nothing of the subject; without it every text is taken apart. */
  readonly mayHold?: (text: string) => boolean;
}

/** Whether a name is that of a column with the identifier. */
export const isNamed = (name: string, m: Matcher): boolean => m.subject.columns.some((c) => holds(name, c));

const isObject = (value: Json | undefined): value is { [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isRaw(value);

/** A JSON value without the subject. */
export function clearJson(value: Json, m: Matcher): { value: Json; removed: number; changed: boolean } {
  const distinct = m.values.filter(isDistinctive);
  const all = new Set(m.values.map(canonical));
  const same = (x: Json | undefined): boolean =>
    x !== undefined && x !== null && (isRaw(x) ? all.has(canonical(x.rawJSON)) : typeof x !== 'object' && all.has(canonical(x)));
  const named = (name: string): boolean => isNamed(name, m);
  const isRow = (x: Json): boolean =>
    isObject(x) &&
    Object.entries(x).some(
      ([name, v]) =>
        (named(name) && same(v)) ||
        (name === 'row_key' && typeof v === 'string' && m.isRowKey(v)) ||
        (typeof v === 'string' && m.isPrediction(v)) ||
        // A row may have its key as an object of its own.
        (isObject(v) && Object.entries(v).some(([inner, w]) => named(inner) && same(w))),
    );
  let removed = 0;
  let changed = false;
  const visit = (x: Json, about: boolean): Json => {
    if (typeof x === 'string') {
      if (about && same(x)) {
        changed = true;
        return ERASED;
      }
      const text = clearWords(x, m);
      if (text === undefined) return x;
      changed = true;
      return text;
    }
    if (Array.isArray(x)) {
      const kept = x.filter((item) => !isRow(item));
      if (kept.length < x.length) {
        removed += x.length - kept.length;
        changed = true;
      }
      return kept.map((item) => visit(item, about));
    }
    if (!isObject(x)) {
      if (!about || !same(x)) return x;
      changed = true;
      return null;
    }
    const split = withoutSplitRows(x, named, same);
    if (split) {
      removed += split.removed;
      changed = true;
      x = split.value;
    }
    // {"column": "tailnum", "top": [{"value": ...}]}: what is inside speaks of that column.
    const inside = about || ['name', 'column', 'subject'].some((k) => typeof x[k] === 'string' && named(x[k] as string));
    const entries = Object.entries(x).map(([name, v]): [string, Json] => {
      const name2 = about && same(name) ? ERASED : (clearText(name, distinct) ?? name);
      if (name2 !== name) changed = true;
      return [name2, visit(v, inside || named(name))];
    });
    return Object.fromEntries(entries);
  };
  return { value: visit(value, false), removed, changed };
}

// {"columns": [...], "data": [[...]]}, as pandas writes a frame; or {"tailnum": [...], ...}, column by column.
function withoutSplitRows(
  x: { [name: string]: Json },
  named: (name: string) => boolean,
  same: (v: Json | undefined) => boolean,
): { value: { [name: string]: Json }; removed: number } | undefined {
  const { columns, data } = x;
  if (Array.isArray(columns) && Array.isArray(data) && data.every(Array.isArray)) {
    const at = columns.flatMap((c, i) => (typeof c === 'string' && named(c) ? [i] : []));
    const gone = data.map((row) => at.some((i) => same((row as Json[])[i])));
    if (!gone.includes(true)) return undefined;
    const keep = (list: Json | undefined): Json | undefined =>
      Array.isArray(list) && list.length === gone.length ? list.filter((_, i) => !gone[i]) : list;
    const index = keep(x.index);
    return {
      value: { ...x, ...(index === undefined ? {} : { index }), data: keep(data)! },
      removed: gone.filter(Boolean).length,
    };
  }
  const lists = Object.entries(x).filter((e): e is [string, Json[]] => Array.isArray(e[1]));
  const key = lists.find(([name, list]) => named(name) && list.some((v) => same(v)));
  if (!key) return undefined;
  const gone = key[1].map((v) => same(v));
  return {
    value: Object.fromEntries(
      Object.entries(x).map(([name, v]) => [name, Array.isArray(v) && v.length === gone.length ? v.filter((_, i) => !gone[i]) : v]),
    ),
    removed: gone.filter(Boolean).length,
  };
}

// What JSON escapes ends in a letter or a figure that is no part of a word.
const BEFORE = '(?:(?<![\\p{L}\\p{N}])|(?<=\\\\[nrtbf])|(?<=\\\\u[0-9a-fA-F]{4}))';
const patterns = new Map<string, RegExp>();
function patternOf(value: string): RegExp {
  const known = patterns.get(value);
  if (known) return known;
  // One erasure asks for two or three; what others asked for is not kept.
  if (patterns.size > 20) patterns.clear();
  const made = new RegExp(`${BEFORE}${valuePattern(value)}(?![\\p{L}\\p{N}])`, 'gu');
  patterns.set(value, made);
  return made;
}

/** Text without distinctive values, or undefined if it has none. A value within a longer word is another word. */
export function clearText(text: string, distinct: readonly string[]): string | undefined {
  const result = distinct.reduce((t, value) => t.replace(patternOf(value), ERASED), text);
  return result === text ? undefined : result;
}

/** The same, and other values where their column stands before them: `customer_id=42`, `"customer_id": 42`. */
export function clearWords(text: string, m: Matcher): string | undefined {
  const distinct = m.values.filter(isDistinctive);
  const before = clearText(text, distinct) ?? text;
  const result = m.values
    .filter((v) => !distinct.includes(v) && before.includes(canonical(v)))
    .reduce((t, value) => t.replace(namedPattern(value, m.subject.columns), `$1${ERASED}`), before);
  return result === text ? undefined : result;
}

const namedPattern = (value: string, columns: readonly string[]): RegExp =>
  new RegExp(
    `(?<![\\p{L}\\p{N}])((?:${columns.map((c) => c.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')})\\\\*["']?\\s*[:=]\\s*\\\\*["']?)${valuePattern(value)}(?:\\.0+)?(?![\\p{L}\\p{N}]|\\.\\p{N})`,
    'giu',
  );

/** A document without the subject; undefined if it does not hold it. */
export function clearDocument(text: string, m: Matcher): Cleared | undefined {
  if (!mayHold(text, m)) return undefined;
  const whole = parse(text);
  if (whole !== undefined) {
    const { value, removed, changed } = clearJson(whole, m);
    return changed ? { text: writeExactly(value), removed } : undefined;
  }
  const lines = text.split('\n');
  const filled = lines.filter((l, i) => l.trim() !== '' && (i === 0 || mayHold(l, m)));
  if (filled.length > 0 && filled.every((l) => parse(l) !== undefined)) return clearLines(lines, m);
  const csv = clearCsv(text, m);
  const rest = clearWords(csv?.text ?? text, m);
  return csv || rest !== undefined ? { text: rest ?? csv!.text, removed: csv?.removed ?? 0 } : undefined;
}

const mayHold = (text: string, m: Matcher): boolean => m.mayHold?.(text) ?? true;

function clearLines(lines: readonly string[], m: Matcher): Cleared | undefined {
  let [removed, changed] = [0, false];
  const kept = lines.flatMap((line) => {
    const value = line.trim() === '' || !mayHold(line, m) ? undefined : parse(line);
    if (value === undefined) return [line];
    const row = clearJson([value], m);
    if (!row.changed) return [line];
    changed = true;
    removed += row.removed;
    const [left] = row.value as Json[];
    return left === undefined ? [] : [writeExactly(left)];
  });
  return changed ? { text: kept.join('\n'), removed } : undefined;
}

const parse = (text: string): Json | undefined => {
  if (!/^\s*[[{"]/.test(text)) return undefined;
  try {
    return parseExactly(text);
  } catch {
    return undefined;
  }
};

// RFC 4180 with a header; also with semicolons and tabs.
function clearCsv(text: string, m: Matcher): Cleared | undefined {
  const mark = [',', ';', '\t'].find((d) => text.slice(0, Math.max(0, text.indexOf('\n'))).includes(d)) ?? ',';
  const rows = csvRows(text, mark);
  const header = rows[0];
  if (!header || rows.length < 2) return undefined;
  const at = header.cells.flatMap((name, i) => (isNamed(name.trim(), m) ? [i] : []));
  const keys = header.cells.flatMap((name, i) => (name.trim() === 'row_key' ? [i] : []));
  const predictions = header.cells.flatMap((name, i) => (name.trim() === 'prediction_id' ? [i] : []));
  const all = new Set(m.values.map(canonical));
  const isGone = (cells: readonly string[]): boolean =>
    at.some((i) => all.has(canonical((cells[i] ?? '').trim()))) ||
    keys.some((i) => m.isRowKey(cells[i] ?? '')) ||
    predictions.some((i) => m.isPrediction(cells[i] ?? ''));
  const kept = rows.filter((r, i) => i === 0 || !isGone(r.cells));
  return kept.length === rows.length ? undefined : { text: kept.map((r) => r.raw).join(''), removed: rows.length - kept.length };
}

function csvRows(text: string, mark: string): { raw: string; cells: string[] }[] {
  const rows: { raw: string; cells: string[] }[] = [];
  let [from, cell, quoted] = [0, '', false];
  let cells: string[] = [];
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (quoted && c !== undefined) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (c === '"' && cell === '') quoted = true;
    else if (c === mark) {
      cells.push(cell);
      cell = '';
    } else if (c === '\n' || c === undefined) {
      if (i > from || c === '\n') rows.push({ raw: text.slice(from, i + 1), cells: [...cells, cell.replace(/\r$/, '')] });
      [from, cell, cells] = [i + 1, '', []];
    } else cell += c;
  }
  return rows;
}
