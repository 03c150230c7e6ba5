// One inference record, and how it lies in a segment. What is the same for thousands of records (endpoint,
// revision, variant, column names) is written once per segment as a definition; a record is then a JSON
// array by position.

import type { ColumnType } from '../schema.ts';

export type Value = number | string | boolean | null;

/** Feature values as they were served: when the fact happened and when it became known. */
export interface ServedFacts {
  readonly knownAtUs: number;
  readonly occurredAtUs: number;
  readonly values: readonly Value[];
}

export interface RecordDefinition {
  readonly workspace: string;
  readonly project: string;
  readonly endpoint: string;
  readonly revision: number;
  readonly variant: string;
  readonly model: string;
  readonly modelVersion: string;
  readonly modelDigest: string;
  /** Share of the traffic that the variant had in this revision: the chance with which it was drawn. */
  readonly propensity?: number;
  /** Columns the caller sends. */
  readonly request: readonly string[];
  readonly views: readonly { readonly view: string; readonly entity: readonly string[]; readonly columns: readonly string[] }[];
  /** Columns of the model, in the order of its inputs. */
  readonly inputs: readonly string[];
  /** Types of the values as they are logged, by position of `request` and `inputs`. */
  readonly types: { readonly request: readonly ColumnType[]; readonly inputs: readonly ColumnType[] };
}

/** How the variant was chosen: by the key, at random (no key was sent), or named by the caller; a shadow answered a copy. */
export const assignments = ['sticky', 'random', 'pinned', 'shadow'] as const;
export type Assignment = (typeof assignments)[number];

/** What the request of a prediction took until its answer was logged, by stage, in microseconds. */
export interface StagesUs {
  readonly parse: number;
  readonly features: number;
  /** Until its model was free, or its turn came. */
  readonly queue: number;
  readonly model: number;
}

export interface RecordBody {
  readonly eventTimeUs: number;
  readonly recordedMs: number;
  readonly latencyUs: number;
  /** Absent in records of shadows, and of segments written before there were stages. */
  readonly stagesUs?: StagesUs;
  readonly assignmentKey: string | null;
  readonly assignment: Assignment;
  /** As received, by position of `definition.request`; null where nothing usable was sent. */
  readonly request: readonly Value[];
  /** By position of `definition.views`; null where no fact was known. */
  readonly facts: readonly (ServedFacts | null)[];
  /** As given to the model, after defaults; null is NaN for a number and "" for a string. */
  readonly inputs: readonly Value[];
  readonly score: number | null;
  /** Why the model gave no score. */
  readonly error: string | null;
  /** Of a shadow: the prediction that this is a copy of. */
  readonly shadowOf?: string;
}

/** A record as it is read back, with names. */
export interface InferenceRecord
  extends
    Omit<RecordDefinition, 'request' | 'views' | 'inputs' | 'types' | 'propensity'>,
    Omit<RecordBody, 'request' | 'facts' | 'inputs'> {
  /** `<replica>.<segment>.<index>` */
  readonly id: string;
  readonly propensity: number | null;
  readonly request: Readonly<Record<string, Value>>;
  readonly inputs: Readonly<Record<string, Value>>;
  readonly features: readonly ServedView[];
}

export interface ServedView {
  readonly view: string;
  readonly entity: readonly string[];
  /** null: no fact was known for this entity at that moment, or it was older than the view's TTL. */
  readonly fact: { readonly knownAtUs: number; readonly occurredAtUs: number; readonly values: Readonly<Record<string, Value>> } | null;
}

/** The chance with which the variant was drawn; null where it was not. */
export const propensityOf = ({ propensity }: RecordDefinition, { assignment }: Pick<RecordBody, 'assignment'>): number | null =>
  assignment === 'pinned' || assignment === 'shadow' ? null : (propensity ?? null);

/** Where each input of the model comes from, by position: a column of the request (`view` -1), or one of a view. */
type Source = readonly [view: number, column: number];
const sources = new WeakMap<RecordDefinition, readonly Source[]>();

function sourcesOf(definition: RecordDefinition): readonly Source[] {
  let found = sources.get(definition);
  if (!found) {
    const columns = [definition.request, ...definition.views.map((v) => v.columns)];
    const sourceOf = (name: string): Source => {
      const group = columns.findIndex((names) => names.includes(name));
      return [group - 1, columns[group]?.indexOf(name) ?? -1];
    };
    sources.set(definition, (found = definition.inputs.map(sourceOf)));
  }
  return found;
}

const valueAt = ({ request, facts }: Pick<RecordBody, 'request' | 'facts'>, [view, column]: Source): Value =>
  (view === -1 ? request[column] : facts[view]?.values[column]) ?? null;

/** Most inputs are what was sent or found; only where a default stands for a value do they say more than that. */
const AS_RECEIVED = 0;

function encodeInputs(definition: RecordDefinition, body: RecordBody): RecordBody['inputs'] | typeof AS_RECEIVED {
  const from = sourcesOf(definition);
  for (let i = 0; i < from.length; i++) if (body.inputs[i] !== valueAt(body, from[i]!)) return body.inputs;
  return AS_RECEIVED;
}

const decodeInputs = (definition: RecordDefinition, body: Pick<RecordBody, 'request' | 'facts'>, encoded: Encoded[8]): readonly Value[] =>
  encoded === AS_RECEIVED ? sourcesOf(definition).map((source) => valueAt(body, source)) : encoded;

/** `number` is that of the definition in its segment. */
export const encodeBody = (number: number, definition: RecordDefinition, b: RecordBody): string =>
  JSON.stringify([
    number,
    b.eventTimeUs,
    b.recordedMs,
    b.stagesUs ? [b.latencyUs, b.stagesUs.parse, b.stagesUs.features, b.stagesUs.queue, b.stagesUs.model] : b.latencyUs,
    b.assignmentKey,
    assignments.indexOf(b.assignment),
    b.request,
    b.facts.map((f) => (f === null ? null : [f.knownAtUs, f.occurredAtUs, f.values])),
    encodeInputs(definition, b),
    b.score,
    b.error,
    ...(b.shadowOf === undefined ? [] : [b.shadowOf]),
  ]);

type Encoded = [
  number,
  number,
  number,
  number | [number, number, number, number, number],
  string | null,
  number,
  Value[],
  ([number, number, Value[]] | null)[],
  Value[] | typeof AS_RECEIVED,
  number | null,
  string | null,
  string?,
];

function timesOf(took: Encoded[3]): Pick<RecordBody, 'latencyUs' | 'stagesUs'> {
  if (typeof took === 'number') return { latencyUs: took };
  const [latencyUs, parse, features, queue, model] = took;
  return { latencyUs, stagesUs: { parse, features, queue, model } };
}

/** A record by position, with its definition. */
export function decodeBody(
  text: string,
  definitions: readonly RecordDefinition[],
  id: string,
): { readonly definition: RecordDefinition; readonly body: RecordBody } {
  const [n, eventTimeUs, recordedMs, took, assignmentKey, assignment, request, facts, inputs, score, error, shadowOf] = JSON.parse(
    text,
  ) as Encoded;
  const definition = definitions[n];
  if (!definition) throw new Error(`record ${id} refers to the definition ${n}, which its segment does not have`);
  const received = {
    request,
    facts: facts.map((f) => (f === null ? null : { knownAtUs: f[0], occurredAtUs: f[1], values: f[2] })),
  };
  const body = {
    eventTimeUs,
    recordedMs,
    ...timesOf(took),
    assignmentKey,
    assignment: assignments[assignment] ?? 'sticky',
    ...received,
    inputs: decodeInputs(definition, received, inputs),
    score,
    error,
    ...(shadowOf === undefined ? {} : { shadowOf }),
  };
  return { definition, body };
}

/** The same with names. */
export function withNames(id: string, definition: RecordDefinition, body: RecordBody): InferenceRecord {
  const { request: requestNames, views, inputs: inputNames, types: _types, propensity: _propensity, ...fixed } = definition;
  const { request, facts, inputs, ...rest } = body;
  return {
    ...fixed,
    id,
    propensity: propensityOf(definition, body),
    ...rest,
    request: named(requestNames, request),
    features: views.map(({ view, entity, columns }, i) => {
      const fact = facts[i];
      return { view, entity, fact: fact ? { ...fact, values: named(columns, fact.values) } : null };
    }),
    inputs: named(inputNames, inputs),
  };
}

const named = (names: readonly string[], values: readonly Value[]): Record<string, Value> =>
  Object.fromEntries(names.map((name, i) => [name, values[i] ?? null]));

/**
 * The name that a record is shipped under. Copies that a shadow answered are not answers of the endpoint: they lie in files of
 * their own, so that whoever asks for the endpoint's records never meets them. No endpoint can have such a name.
 */
export const shippedUnder = (endpoint: string, assignment: Assignment): string =>
  assignment === 'shadow' ? shadowsOf(endpoint) : endpoint;

export const shadowsOf = (endpoint: string): string => `${endpoint}~shadow`;
