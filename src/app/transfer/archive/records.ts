// Records of an export, which may have been written by somebody who means harm. Each is looked at before anything is sent,
// so that a file is taken over or refused as a whole, and says where it is wrong.
import { readFileSync } from 'node:fs';
import { ExperimentShape, LoggedModelShape, ModelShape, RunShape } from '../../../domains/transfers/public.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { check, compileBody } from '../../../kernel/http/validation.ts';
import type { SourceMetric } from '../source.ts';
import { EXPORT_FORMAT, fromText, type About } from './layout.ts';

/** Its beginning names whose records those are that it brings up to date; records of an MLflow are none of an export's. */
const IDENTITY = /^gyre:(?:[0-9a-f]{32}|empty)$/;
/** Ids become names of files here. */
const ID = /^[\w][\w.-]{0,254}$/;

const shapes = {
  experiment: compileBody(ExperimentShape),
  run: compileBody(RunShape),
  'logged-model': compileBody(LoggedModelShape),
  model: compileBody(ModelShape),
};

export class WrongRecord extends Error {}
const wrong = (place: string, why: string): never => {
  throw new WrongRecord(`${place} ${why}`);
};

const parsed = (place: string, text: string, read: (text: string) => unknown): unknown => {
  try {
    return read(text);
  } catch {
    return wrong(place, 'is no JSON');
  }
};

// As it is sent: numbers that JSON has not are words.
const asSent = (text: string): unknown =>
  JSON.parse(text, (_key, v: unknown) =>
    typeof v === 'object' && v !== null && Object.keys(v).join() === 'number' && typeof (v as { number: unknown }).number === 'string'
      ? (v as { number: string }).number
      : v,
  );

function checkShape(kind: keyof typeof shapes, value: unknown, place: string): void {
  try {
    check(shapes[kind], value, place);
  } catch (error) {
    if (!isProblem(error)) throw error;
    const [fault] = error.faults;
    wrong(place, fault ? `is no ${kind}: ${fault.pointer} ${fault.detail}` : `is no ${kind}`);
  }
}

const checkId = (place: string, id: unknown, expected?: string): void => {
  if (typeof id !== 'string' || !ID.test(id)) wrong(place, 'has an id that no export has');
  if (expected !== undefined && id !== expected) wrong(place, 'has another id than its name says');
};

/** Raises `WrongRecord`. */
export function checkedAbout(place: string, path: string): About {
  const about = parsed(place, readFileSync(path, 'utf8'), fromText) as Partial<About> | null;
  if (typeof about !== 'object' || about?.export !== EXPORT_FORMAT) return wrong(place, `has not the format ${EXPORT_FORMAT}`);
  if (typeof about.identity !== 'string' || !IDENTITY.test(about.identity)) wrong(place, 'does not name an installation of Gyre');
  if (typeof about.place !== 'string' || about.place.length > 4000) wrong(place, 'does not say where it comes from');
  if (!Array.isArray(about.experiments)) return wrong(place, 'names no experiments');
  for (const [i, e] of about.experiments.entries()) {
    checkShape('experiment', e, `${place}: experiment ${i}`);
    checkId(`${place}: experiment ${i}`, e.id);
  }
  if (new Set(about.experiments.map((e) => e.id)).size !== about.experiments.length) wrong(place, 'names an experiment twice');
  return about as About;
}

/** `name` is what its file is called, without its ending; `experimentId` the folder that it is in. Raises `WrongRecord`. */
export function checkRecord(
  kind: 'run' | 'logged-model' | 'model',
  place: string,
  path: string,
  of?: { readonly name: string; readonly experimentId: string },
): void {
  const record = parsed(place, readFileSync(path, 'utf8'), asSent) as { id?: unknown; experimentId?: unknown };
  checkShape(kind, record, place);
  if (!of) return;
  checkId(place, record.id, of.name);
  if (record.experimentId !== of.experimentId) wrong(place, 'is of another experiment than its folder says');
}

/** Raises `WrongRecord`. */
export function metricOf(place: string, line: string): SourceMetric {
  const metric = parsed(place, line, fromText) as Partial<SourceMetric> | null;
  const isPoint = (p: unknown): boolean =>
    Array.isArray(p) && p.length === 3 && Number.isSafeInteger(p[0]) && Number.isSafeInteger(p[1]) && typeof p[2] === 'number';
  if (typeof metric !== 'object' || typeof metric?.key !== 'string' || !Array.isArray(metric.points) || !metric.points.every(isPoint))
    return wrong(place, 'is no metric with its points');
  return metric as SourceMetric;
}
