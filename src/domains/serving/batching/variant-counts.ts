// What each variant of each revision answered since this process began, for whoever must decide sooner than the
// log is shipped. Requests that named a version are left out: their caller chose.
import type { RecordDefinition } from '../log/record.ts';

export interface VariantCount {
  readonly workspace: string;
  readonly endpoint: string;
  readonly revision: number;
  readonly variant: string;
  readonly requests: number;
  readonly errors: number;
}

export interface VariantCounts {
  readonly add: (definition: RecordDefinition, failed: boolean) => void;
  readonly all: () => readonly VariantCount[];
}

type Counter = { -readonly [K in keyof VariantCount]: VariantCount[K] };

export function openVariantCounts(): VariantCounts {
  const counters = new Map<string, Counter>();
  // Each plan makes definitions anew, also of revisions that are served already.
  const known = new WeakMap<RecordDefinition, Counter>();
  const counterOf = (definition: RecordDefinition): Counter => {
    const seen = known.get(definition);
    if (seen) return seen;
    const { workspace, endpoint, revision, variant } = definition;
    const key = JSON.stringify([workspace, endpoint, revision, variant]);
    const counter = counters.get(key) ?? { workspace, endpoint, revision, variant, requests: 0, errors: 0 };
    counters.set(key, counter);
    known.set(definition, counter);
    return counter;
  };
  return {
    add: (definition, failed) => {
      const counter = counterOf(definition);
      counter.requests += 1;
      if (failed) counter.errors += 1;
    },
    all: () => [...counters.values()],
  };
}
