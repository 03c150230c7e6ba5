// Labels as they are sent, and what helps to find their predictions. Pure.
import type { Fault } from '../../kernel/errors.ts';
import type { MonitorDefinition } from '../projects/public.ts';
import { parseEventTime, parsePredictionId } from '../serving/public.ts';

export const DAY_US = 86_400_000_000;
/** How long after the label was due its prediction may still turn up; afterwards the label is unknown. */
export const PATIENCE_US = 30 * DAY_US;
/** How far back a prediction may lie that a label still finds without being told where. */
export const horizonOf = (m: MonitorDefinition): number => m.labels.withinUs + PATIENCE_US + m.windowUs;

/** Rows of one batch; the order of labels is batch first, then row. */
export const MAX_ROWS = 10_000_000;
export const MAX_FAULTS = 20;

export type KeyValue = string | number | boolean;

/** A label as it is stored; short names, for there are millions. */
export interface LabelRow {
  /** Place in the batch. */
  readonly r: number;
  /** Prediction id … */
  readonly p: string | null;
  /** … or columns of the request … */
  readonly k: Readonly<Record<string, KeyValue>> | null;
  /** … with the moment of the prediction, if it was given. */
  readonly t: number | null;
  /** null withdraws the label. */
  readonly l: number | null;
  /** When the outcome was observed. */
  readonly o: number | null;
}

/** DuckDB's types of a stored label. */
export const labelColumns = { r: 'BIGINT', p: 'VARCHAR', k: 'JSON', t: 'BIGINT', l: 'DOUBLE', o: 'BIGINT' } as const;

const MEMBERS = ['prediction_id', 'key', 'at', 'label', 'observed_at'];
/** A moment before this (1973) is one in seconds or milliseconds. */
const LEAST_US = 1e14;

export type ParsedRow = { readonly row: LabelRow } | { readonly faults: readonly Fault[] };

/** Checks one row; `place` names a member of it in a fault. */
export function parseRow(value: unknown, r: number, place: (member: string) => string): ParsedRow {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { faults: [{ pointer: place(''), detail: 'is not a JSON object' }] };
  const faults: Fault[] = [];
  const add = (member: string, detail: string): null => {
    faults.push({ pointer: place(member), detail });
    return null;
  };
  const given = value as Readonly<Record<string, unknown>>;
  for (const member of Object.keys(given))
    if (!MEMBERS.includes(member)) add(member, `is not a member of a label; these are ${MEMBERS.join(', ')}`);
  const { prediction_id: named = null, key = null, label } = given;
  // As with the ids of records: a whole number is its digits.
  const id = typeof named === 'number' && Number.isSafeInteger(named) ? String(named) : named;
  if ((id === null) === (key === null))
    add(
      'prediction_id',
      'give either "prediction_id" or "key", the columns of the request that name the prediction (in Parquet each column that is no member of a label)',
    );
  if (id !== null && (typeof id !== 'string' || id.length === 0 || id.length > 200 || id.includes('\0') || !id.isWellFormed()))
    add('prediction_id', 'must be a text of 1 to 200 characters');
  const k = key === null ? null : keyOf(key, add);
  const l = typeof label === 'boolean' ? Number(label) : typeof label === 'number' && Number.isFinite(label) ? label : null;
  if (l === null && label !== null)
    add('label', label === undefined ? 'is missing; null withdraws a label' : 'must be a number, true, false, or null to withdraw it');
  const at = momentOf('at', given.at, add);
  const observed = momentOf('observed_at', given.observed_at, add);
  if (faults.length > 0) return { faults };
  // Of a prediction named by its id the moment is known; what is given is when the label was.
  return { row: { r, p: id as string | null, k, t: k === null ? null : at, l, o: observed ?? (k === null ? at : null) } };
}

function keyOf(key: unknown, add: (member: string, detail: string) => null): Record<string, KeyValue> | null {
  if (typeof key !== 'object' || key === null || Array.isArray(key) || Object.keys(key).length === 0)
    return add('key', 'must be an object of columns of the request and their values');
  for (const [name, value] of Object.entries(key as Record<string, unknown>))
    if (!['string', 'number', 'boolean'].includes(typeof value) || (typeof value === 'string' && !value.isWellFormed()))
      add(`key/${name}`, 'must be a text, a number, true or false');
  // In one order, so that the same key is the same text.
  return Object.fromEntries(Object.entries(key as Record<string, KeyValue>).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function momentOf(member: string, value: unknown, add: (member: string, detail: string) => null): number | null {
  if (value === undefined || value === null) return null;
  const us =
    typeof value === 'number' && Number.isSafeInteger(value) ? value : typeof value === 'string' ? parseEventTime(value) : undefined;
  return us !== undefined && us >= LEAST_US
    ? us
    : add(member, 'must be a moment after 1973: ISO 8601 with a zone (2026-03-01T12:00:00Z), or microseconds since 1970');
}

/** Where the predictions of labels may lie, so that nothing else is read. */
export interface Hints {
  /** `<replica>.<segment>` of prediction ids. */
  readonly segments: readonly string[];
  /** Days (since 1970) of the moments that were given. */
  readonly days: readonly number[];
  /** Some labels tell neither: all that is recent is read. */
  readonly open: boolean;
  /** The sets of key columns that were used. */
  readonly keys: readonly (readonly string[])[];
}

export const noHints: Hints = { segments: [], days: [], open: false, keys: [] };
const MOST_SEGMENTS = 2000;
const MOST_DAYS = 1000;
const MOST_KEYS = 20;

export interface HintCollector {
  readonly add: (row: LabelRow) => void;
  readonly hints: () => Hints;
  /** False if there are more sets of key columns than are joined at once. */
  readonly fits: () => boolean;
}

/** `idsTell` is false for a model served elsewhere, whose ids are its own. */
export function collectHints(idsTell: boolean): HintCollector {
  const segments = new Set<string>();
  const days = new Set<number>();
  const keys = new Map<string, readonly string[]>();
  let open = false;
  return {
    add: ({ p, k, t }) => {
      const parts = p !== null && idsTell ? parsePredictionId(p) : undefined;
      if (parts) segments.add(`${parts.replica}.${parts.segment}`);
      else if (p !== null) open ||= !idsTell;
      if (k !== null) {
        const names = Object.keys(k);
        keys.set(JSON.stringify(names), names);
        if (t === null) open = true;
        else days.add(Math.floor(t / DAY_US));
      }
    },
    hints: () => ({
      segments: segments.size > MOST_SEGMENTS ? [] : [...segments].sort(),
      days: days.size > MOST_DAYS ? [] : [...days].sort((a, b) => a - b),
      open: open || segments.size > MOST_SEGMENTS || days.size > MOST_DAYS,
      keys: [...keys.values()],
    }),
    fits: () => keys.size <= MOST_KEYS,
  };
}

export function mergeHints(all: readonly Hints[]): Hints {
  return {
    segments: [...new Set(all.flatMap((h) => h.segments))].sort(),
    days: [...new Set(all.flatMap((h) => h.days))].sort((a, b) => a - b),
    open: all.some((h) => h.open),
    keys: [...new Map(all.flatMap((h) => h.keys).map((k) => [JSON.stringify(k), k])).values()],
  };
}

/** Days that follow one another, as spans of microseconds, both ends included. */
export function spansOf(days: readonly number[]): { fromUs: number; toUs: number }[] {
  const spans: { fromUs: number; toUs: number }[] = [];
  for (const day of days) {
    const last = spans.at(-1);
    if (last && last.toUs + 1 === day * DAY_US) last.toUs += DAY_US;
    else spans.push({ fromUs: day * DAY_US, toUs: (day + 1) * DAY_US - 1 });
  }
  return spans;
}

export interface Counts {
  /** Labels that are the first of their prediction. */
  readonly joined: number;
  /** Labels that say what was known already. */
  readonly duplicate: number;
  /** Labels that say something else than the one before; the newest counts. */
  readonly corrected: number;
  /** No prediction was found for them in time, or several that they could mean. */
  readonly unknown: number;
  /** Of those joined or corrected: labels that came after their window's performance was due. */
  readonly late: number;
  /** Their prediction is not there yet. */
  readonly waiting: number;
}

/** accepted -> joined: once its labels were looked for; those that wait are counted on. */
export type BatchState = 'accepted' | 'joined';

export interface FeedbackBatch extends Counts {
  readonly project: string;
  readonly monitor: string;
  readonly id: string;
  /** Grows by one with each batch of the monitor: later labels win. */
  readonly seq: number;
  readonly state: BatchState;
  readonly source: 'api' | 'dataset';
  readonly datasetVersion: string | null;
  readonly digest: string;
  readonly rows: number;
  readonly hints: Hints;
  readonly actor: string;
  /** Event time at which the batch was accepted. */
  readonly acceptedUs: number;
  readonly recordedMs: number;
  readonly version: number;
}

export interface MonitorFeedback {
  readonly lastJoin: number;
  readonly waiting: number;
  readonly waitingDigest: string;
  readonly waitingHints: Hints;
  readonly nextExpiryUs: number | null;
  /** How many files of the log there were when the waiting labels were last looked for. */
  readonly seenFiles: number;
  readonly queriedUs: number | null;
  readonly version: number;
}
