// One endpoint of a plan, made ready: its columns as slots, its views with their readers, its variants with
// their model sessions. `prepare` turns one row of a caller into the vector of the model.
import type { Fault } from '../../../kernel/errors.ts';
import { hmacOf, holds } from '../../subjects/data-plane.ts';
import { fail } from '../errors.ts';
import { pseudonym } from '../plan.ts';
import { requireScore, type ModelInput, type ModelSession } from '../runtime/onnx-runtime.ts';
import type { ColumnType, PlanEndpoint, PlanVariant, PlanView, PlanColumn } from '../schema.ts';
import type { RecordDefinition, ServedFacts, Value } from '../log/record.ts';
import { checkValue, describeFault, limitOf, resolve, type FaultKind, type Slot } from '../model.ts';

/** What the data plane needs from an online store (domains/features/online-store.ts, or another one). */
export interface FactReader {
  read(
    view: string,
    entity: readonly (string | number | boolean)[],
    asOfUs: number,
  ):
    | {
        readonly columns: readonly { readonly name: string }[];
        /** By position of `columns`. */
        readonly values: readonly (number | bigint | string | boolean | null)[];
        readonly occurredAtUs: number;
        readonly knownAtUs: number;
      }
    | undefined;
  close(): void;
}

export interface LiveVariant {
  readonly plan: PlanVariant;
  readonly session: ModelSession;
  /** Slot of the endpoint for each input of the model. */
  readonly slots: readonly number[];
  readonly definition: RecordDefinition;
}

export interface LiveView {
  readonly plan: PlanView;
  /** Slots of the request columns that make the key. */
  readonly key: readonly number[];
  readonly firstSlot: number;
  readonly reader: FactReader | undefined;
  /** Where the plan's columns are among those of a fact; -1 for one that it does not have. */
  readonly positions: (columns: readonly { readonly name: string }[]) => readonly number[];
}

export interface LiveEndpoint {
  readonly plan: PlanEndpoint;
  /** Request columns first, then the views' columns. */
  readonly slots: readonly Slot[];
  readonly requestCount: number;
  readonly known: ReadonlyMap<string, number>;
  readonly views: readonly LiveView[];
  readonly variants: readonly LiveVariant[];
  /** Those that answer copies of requests. */
  readonly shadows: readonly LiveVariant[];
  readonly personal: ReadonlyMap<number, 'drop' | 'hmac'>;
  readonly keyIsPersonal: 'drop' | 'hmac' | undefined;
  /** Part of the predictions that is logged: what variants are compared by is never a sample. */
  readonly logShare: number;
  readonly key: Buffer;
  /** By slot: the HMACs of erased subjects whose identifier a request has there. */
  readonly suppressed: ReadonlyMap<number, ReadonlySet<string>>;
  readonly subjectKey: Buffer;
}

/** A row as a caller sent it. */
export type Row = Readonly<Record<string, unknown>>;

export interface Prepared {
  /** By slot; null is missing. */
  readonly vector: readonly Value[];
  readonly request: readonly Value[];
  readonly facts: readonly (ServedFacts | null)[];
  readonly assignmentKey: string | null;
}

/** Puts an endpoint together. Raises `onnx-signature-unsupported` and `model-columns-mismatch`. */
export function makeEndpoint(
  plan: PlanEndpoint,
  sessions: ReadonlyMap<string, ModelSession>,
  readerOf: (storePath: string) => FactReader | undefined,
  key: Buffer,
  subjects: Buffer,
): LiveEndpoint {
  const views = plan.featureService?.views ?? [];
  const columns: PlanColumn[] = [...plan.request, ...views.flatMap((view) => view.columns)];
  const known = new Map<string, number>();
  columns.forEach(({ name }, slot) => {
    if (known.has(name)) fail('model-columns-mismatch', { what: `The column "${name}" comes twice.` });
    known.set(name, slot);
  });
  const inputsOf = (name: string, of: readonly PlanVariant[]): ModelInput[] =>
    of.flatMap((v) => sessions.get(v.modelDigest)!.inputs.filter((input) => input.name === name));
  // Who gets no traffic must not have a request refused.
  const serving = plan.variants.filter((v) => v.weight > 0);
  const slots = columns.map((column): Slot => {
    for (const input of inputsOf(column.name, plan.variants)) requireFit(column, input);
    const inputs = inputsOf(column.name, serving);
    const limits = inputs.map((input) => limitOf[input.type] ?? Infinity);
    const own = column.type === 'integer' ? Number.MAX_SAFE_INTEGER : Number.MAX_VALUE;
    const slot = {
      name: column.name,
      type: column.type,
      missing: column.missing,
      limit: Math.min(own, ...limits),
      mayBeMissing: inputs.every((i) => !/^(int|bool)/.test(i.type)),
    };
    const isReplaced = typeof column.missing === 'object' && column.missing !== null;
    if (isReplaced && !checkValue(slot, (column.missing as { default: unknown }).default).ok)
      fail('model-columns-mismatch', { what: `The default of "${column.name}" is not ${column.type}.` });
    return slot;
  });
  const variants = plan.variants.map((variant): LiveVariant => {
    const session = sessions.get(variant.modelDigest)!;
    requireScore(session.signature, plan.output.score);
    const inputs = session.inputs.map(
      ({ name }) =>
        known.get(name) ??
        fail('model-columns-mismatch', {
          what: `Version ${variant.modelVersion} of "${variant.model}" needs the input "${name}", which neither the request nor the feature service provides.`,
        }),
    );
    return { plan: variant, session, slots: inputs, definition: definitionOf(plan, variant, session, columns) };
  });
  if (!plan.variants.some((v) => v.weight > 0)) fail('model-columns-mismatch', { what: 'No variant has a positive weight.' });
  let firstSlot = plan.request.length;
  const liveViews = views.map((view): LiveView => {
    const live = {
      plan: view,
      firstSlot,
      reader: readerOf(view.storePath),
      positions: positionsOf(view),
      key: view.entity.map(
        (name) =>
          known.get(name) ??
          fail('model-columns-mismatch', { what: `View "${view.view}" is looked up by "${name}", which is not a request column.` }),
      ),
    };
    firstSlot += view.columns.length;
    return live;
  });
  const personal = new Map(plan.log.personal.map(({ column, how }) => [column, how]));
  return {
    plan,
    slots,
    requestCount: plan.request.length,
    known,
    views: liveViews,
    variants,
    shadows: variants.filter((v) => v.plan.shadow !== undefined),
    personal: new Map([...personal].flatMap(([name, how]) => (known.has(name) ? [[known.get(name)!, how] as const] : []))),
    logShare: variants.length === 1 ? (plan.log.share ?? 1) : 1,
    keyIsPersonal: plan.assignBy === null ? undefined : personal.get(plan.assignBy),
    key,
    suppressed: suppressedSlots(plan, slots),
    subjectKey: subjects,
  };
}

function suppressedSlots({ suppressed = [] }: PlanEndpoint, slots: readonly Slot[]): Map<number, Set<string>> {
  const found = new Map<number, Set<string>>();
  for (const { columns, hmac } of suppressed)
    for (const [i, slot] of slots.entries())
      if (columns.some((c) => holds(slot.name, c))) found.set(i, (found.get(i) ?? new Set()).add(hmac));
  return found;
}

/** Whether a row is about a subject that was erased: it is answered, and leaves no record. */
export function isAboutSuppressed({ suppressed, subjectKey }: LiveEndpoint, { vector }: Prepared): boolean {
  for (const [slot, hmacs] of suppressed) {
    const value = vector[slot];
    if (value !== null && value !== undefined && hmacs.has(hmacOf(subjectKey, value))) return true;
  }
  return false;
}

// The store is filled by the newest definition of the view, and the endpoint serves the one that it was released
// with: what is the same in both is its name. All facts of a store share one list, so it is looked at once.
function positionsOf({ columns: wanted }: PlanView): LiveView['positions'] {
  let seen: readonly { readonly name: string }[] | undefined;
  let positions: readonly number[] = [];
  return (columns) => {
    if (columns === seen) return positions;
    seen = columns;
    return (positions = wanted.map(({ name }) => columns.findIndex((c) => c.name === name)));
  };
}

function requireFit(column: PlanColumn, input: ModelInput): void {
  const takes: Readonly<Record<ModelInput['type'], readonly string[]>> = {
    string: ['string'],
    bool: ['boolean'],
    int32: ['integer', 'boolean'],
    int64: ['integer', 'boolean'],
    float32: ['number', 'integer', 'boolean'],
    float64: ['number', 'integer', 'boolean'],
  };
  if (!takes[input.type].includes(column.type))
    fail('model-columns-mismatch', {
      what: `The model's input "${input.name}" is ${input.type}, but the column "${column.name}" is ${column.type}.`,
    });
}

// A value that is replaced by its HMAC is a text, whatever it was.
const loggedType = (plan: PlanEndpoint, column: PlanColumn): ColumnType =>
  plan.log.personal.some((p) => p.column === column.name && p.how === 'hmac') ? 'string' : column.type;

const definitionOf = (
  plan: PlanEndpoint,
  variant: PlanVariant,
  session: ModelSession,
  columns: readonly PlanColumn[],
): RecordDefinition => ({
  workspace: plan.workspace,
  project: plan.project,
  endpoint: plan.name,
  revision: plan.revision,
  variant: variant.id,
  model: variant.model,
  modelVersion: variant.modelVersion,
  modelDigest: variant.modelDigest,
  propensity: variant.weight / plan.variants.reduce((sum, v) => sum + v.weight, 0),
  request: plan.request.map((c) => c.name),
  views: (plan.featureService?.views ?? []).map((v) => ({ view: v.view, entity: v.entity, columns: v.columns.map((c) => c.name) })),
  inputs: session.inputs.map((i) => i.name),
  types: {
    request: plan.request.map((c) => loggedType(plan, c)),
    inputs: session.inputs.map((i) =>
      loggedType(
        plan,
        columns.find((c) => c.name === i.name)!,
      ),
    ),
  },
});

export interface RowFaults {
  readonly add: (fault: Fault) => void;
  readonly count: (column: string, kind: FaultKind, outcome: 'refused' | 'replaced') => void;
}

/** Checks a row and looks its features up as of `asOfUs`. What cannot be used is told to `faults`. */
export function prepare(endpoint: LiveEndpoint, row: Row, at: string, asOfUs: number, faults: RowFaults): Prepared {
  const { slots, requestCount, plan } = endpoint;
  const vector: Value[] = slots.map(() => null);
  const request: Value[] = plan.request.map(() => null);
  let refused = false;
  const usable = (slot: Slot, kind: FaultKind, pointer: string, entity?: readonly string[]): Value => {
    const resolved = resolve(slot, kind);
    faults.count(slot.name, kind, resolved === 'refuse' ? 'refused' : 'replaced');
    if (resolved !== 'refuse') return resolved.use;
    refused = true;
    faults.add({ pointer, detail: describeFault(slot, kind, entity) });
    return null;
  };
  for (let i = 0; i < requestCount; i++) {
    const slot = slots[i]!;
    const checked = checkValue(slot, Object.hasOwn(row, slot.name) ? row[slot.name] : undefined);
    if (checked.ok) vector[i] = request[i] = checked.value;
    else vector[i] = usable(slot, checked.kind, `${at}/${slot.name}`);
  }
  refuseExtras(endpoint, row, at, faults);
  // Without usable keys the look-ups would only add faults that follow from the first.
  if (refused) return { vector, request, facts: [], assignmentKey: null };
  const facts = endpoint.views.map(({ plan: view, key, firstSlot, reader, positions }): ServedFacts | null => {
    const entity = key.map((slot) => vector[slot]!);
    const complete = entity.every((value) => value !== null) && reader !== undefined;
    const fact = complete ? reader.read(view.view, entity as (string | number | boolean)[], asOfUs) : undefined;
    const places = fact && positions(fact.columns);
    const values: Value[] = [];
    for (let c = 0; c < view.columns.length; c++) {
      const slot = slots[firstSlot + c]!;
      const checked = fact ? checkValue(slot, fact.values[places![c]!]) : unknownEntity;
      values.push(checked.ok ? checked.value : null);
      vector[firstSlot + c] = checked.ok ? checked.value : usable(slot, checked.kind, `${at}/${view.entity[0]}`, view.entity);
    }
    return fact ? { knownAtUs: fact.knownAtUs, occurredAtUs: fact.occurredAtUs, values } : null;
  });
  const sent = plan.assignBy === null || !Object.hasOwn(row, plan.assignBy) ? undefined : row[plan.assignBy];
  const assignmentKey = typeof sent === 'string' || typeof sent === 'number' ? String(sent) : null;
  return { vector, request, facts, assignmentKey };
}

const unknownEntity = { ok: false, kind: 'unknown-entity' } as const;

function refuseExtras({ known, requestCount, plan }: LiveEndpoint, row: Row, at: string, faults: RowFaults): void {
  for (const name in row) {
    const slot = known.get(name);
    if (slot !== undefined && slot < requestCount) continue;
    if (slot === undefined && (name === plan.assignBy || plan.unknownColumns === 'ignore')) continue;
    // The caller's own names are not metric labels: there could be any number of them.
    faults.count(slot === undefined ? '(unknown)' : name, 'unknown-column', 'refused');
    const shown = name.slice(0, 100);
    faults.add({
      pointer: `${at}/${shown}`,
      detail:
        slot === undefined
          ? `"${shown}" is not a column of this endpoint; remove it or mend its name`
          : `"${shown}" is a feature that this endpoint looks up itself; send only the entity keys and request columns`,
    });
  }
}

/** The values as they may be written: personal columns are dropped or replaced by their HMAC. */
export function withoutPersonal(endpoint: LiveEndpoint, values: readonly Value[], slotOf: (i: number) => number): readonly Value[] {
  if (endpoint.personal.size === 0) return values;
  return values.map((value, i) => {
    const how = endpoint.personal.get(slotOf(i));
    return how === undefined || value === null ? value : how === 'drop' ? null : pseudonym(endpoint.key, value);
  });
}

export function keyToLog(endpoint: LiveEndpoint, key: string | null): string | null {
  const how = endpoint.keyIsPersonal;
  return how === undefined || key === null ? key : how === 'drop' ? null : pseudonym(endpoint.key, key);
}
