// What the oracle says, beside what was served. The oracle is test/leak/oracle.py; it reads the source files.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { testPython } from '../journey/flights-project.ts';

const exec = promisify(execFile);

type Value = number | string | boolean | null;
type Values = Readonly<Record<string, Value>>;

interface Fact {
  readonly occurredAtUs: number;
  readonly knownAtUs: number;
  readonly values: Values;
}

/** A request, why it is worth asking, and the features that it must get. */
export interface Sample {
  /** A flight of the replay, or a moment chosen because a fact just becomes known or just grows too old. */
  readonly from: 'replay' | 'edge';
  readonly kinds: readonly string[];
  readonly atUs: number;
  readonly inputs: Values & { readonly flight_id: string };
  readonly expected: Readonly<Record<string, Fact | null>>;
}

/** The parts of a logged prediction that are compared. */
export interface Served {
  readonly eventTimeUs: number;
  readonly inputs: Values;
  readonly features: readonly { readonly view: string; readonly fact: Fact | null }[];
}

export interface TableSample {
  readonly rows: readonly { readonly id: string; readonly expected: Values; readonly got: Values }[];
  readonly inTable: number;
  /** Flights that must be in the table. */
  readonly due: number;
  readonly missing: number;
  readonly extra: number;
}

async function ask<T>(...args: string[]): Promise<T> {
  const { stdout } = await exec(testPython(), [join(import.meta.dirname, 'oracle.py'), ...args], { maxBuffer: 256 * 1024 * 1024 });
  return JSON.parse(stdout) as T;
}

export const sampleReplay = (data: string, from: string, to: string, count: number): Promise<Sample[]> =>
  ask('served', data, '--from', from, '--to', to, '--count', String(count));

export const sampleTable = (data: string, rows: string, from: string, to: string, count: number): Promise<TableSample> =>
  ask('table', data, rows, '--from', from, '--to', to, '--count', String(count));

// The same arithmetic in another order may differ in the last bits.
const same = (a: Value, b: Value): boolean =>
  typeof a === 'number' && typeof b === 'number' ? Math.abs(a - b) <= 1e-12 * Math.max(1, Math.abs(a)) : a === b;

const differing = (where: string, expected: Values, got: Values): string[] =>
  Object.entries(expected)
    .filter(([name, value]) => !same(value, got[name] ?? null))
    .map(([name, value]) => `${where}${name} is ${got[name]} and must be ${value}`);

/** What was served otherwise than the oracle says: facts, their times, and the vector that the model got. */
export function leaks({ atUs, expected }: Sample, served: Served): string[] {
  const found = served.eventTimeUs === atUs ? [] : [`the event time is ${served.eventTimeUs} and must be ${atUs}`];
  for (const [view, fact] of Object.entries(expected)) {
    const got = served.features.find((f) => f.view === view)?.fact ?? null;
    if (fact === null || got === null) {
      if (fact !== got) found.push(`${view} is ${JSON.stringify(got)} and must be ${JSON.stringify(fact)}`);
    } else {
      const times = ({ occurredAtUs, knownAtUs }: Fact): Values => ({ occurredAtUs, knownAtUs });
      found.push(...differing(`${view}.`, times(fact), times(got)), ...differing(`${view}.`, fact.values, got.values));
    }
    for (const [name, value] of Object.entries(fact?.values ?? {}))
      if (name in served.inputs && !same(value, served.inputs[name]!))
        found.push(`the model got ${name} = ${served.inputs[name]} and must get ${value}`);
  }
  return found;
}

/** The rows of the training table that are not what the oracle says. */
export const wrongRows = ({ rows }: TableSample): string[] => rows.flatMap(({ id, expected, got }) => differing(`${id}: `, expected, got));
