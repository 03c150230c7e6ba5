// Gates: rules over evaluations. Pure.
import type { Evaluation, Figure, Gate, GateResult, ModelVersion, PairedDifference } from './model.ts';

/** What gates are judged on. */
export interface Judged {
  /** Made by Gyre; without one only gates that trust reported figures can pass. */
  readonly evaluation: Evaluation | undefined;
  /** Figures that the training code reported, by metric. */
  readonly reported: ReadonlyMap<string, number>;
  /** Improvement over the champion on the same rows; undefined = there is no champion. */
  readonly againstChampion: (gate: Gate) => PairedDifference | undefined;
}

const DEFAULT_MIN_ROWS = 100;
const round = (x: number): string => x.toFixed(4);

const describe = (f: Figure): string =>
  f.ok
    ? `${round(f.value)}${f.interval ? ` [${round(f.interval.low)}, ${round(f.interval.high)}]` : ''}, n = ${f.n}`
    : `none (${f.reason}), n = ${f.n}`;

/** Judges one gate. A figure that is missing or could not be computed never passes. */
export function judgeGate(gate: Gate, { evaluation, reported, againstChampion }: Judged): GateResult {
  if (gate.trust === 'reported') return judgeReported(gate, reported);
  if (!evaluation) return { gate, passed: false, found: 'none', why: 'the version has no evaluation made by Gyre' };
  if (gate.notWorseThan || gate.betterThan) return judgeAgainstChampion(gate, againstChampion(gate));
  if (gate.slice !== undefined) return judgeSlices(gate, evaluation);
  const figure = evaluation.metrics[gate.metric] ?? { ok: false as const, reason: `the evaluation has no ${gate.metric}`, n: 0 };
  const fault = tooFew(gate, figure) ?? outOfBounds(gate, figure);
  return { gate, passed: fault === undefined, found: describe(figure), why: fault ?? `${gate.metric} is within its bounds` };
}

// Of one whole figure; of slices it says which ones are judged.
const tooFew = ({ metric, minRows }: Gate, { n }: Figure): string | undefined =>
  minRows !== undefined && n < minRows ? `${metric} rests on ${n} rows, fewer than ${minRows}` : undefined;

function outOfBounds(gate: Gate, figure: Figure): string | undefined {
  if (!figure.ok) return `${gate.metric} could not be computed: ${figure.reason}`;
  if (gate.floor !== undefined && !(figure.value >= gate.floor))
    return `${gate.metric} ${round(figure.value)} is below the floor ${gate.floor}`;
  if (gate.ceiling !== undefined && !(figure.value <= gate.ceiling))
    return `${gate.metric} ${round(figure.value)} is above the ceiling ${gate.ceiling}`;
  return undefined;
}

// The training code's word for it: no interval, no rows, and it says so.
function judgeReported(gate: Gate, reported: ReadonlyMap<string, number>): GateResult {
  if (gate.slice !== undefined || gate.notWorseThan || gate.betterThan)
    return {
      gate,
      passed: false,
      found: 'none',
      why: 'slices and comparisons need an evaluation made by Gyre; reported figures have neither',
    };
  const value = reported.get(gate.metric);
  if (value === undefined) return { gate, passed: false, found: 'none', why: `the training code reported no ${gate.metric}` };
  const fault = outOfBounds(gate, { ok: true, value, n: 0 });
  return {
    gate,
    passed: fault === undefined,
    found: `${round(value)}, reported by the training code`,
    why: fault ?? `${gate.metric} as reported is within its bounds`,
  };
}

function judgeSlices(gate: Gate, evaluation: Evaluation): GateResult {
  const minRows = gate.minRows ?? DEFAULT_MIN_ROWS;
  const slices = evaluation.slices.filter((s) => s.column === gate.slice);
  if (slices.length === 0)
    return {
      gate,
      passed: false,
      found: 'no slices',
      why: `the evaluation was not sliced by ${gate.slice}; add it to the step's "slices"`,
    };
  const judged = slices.filter((s) => s.n >= minRows);
  const faults = judged.flatMap((s) => {
    const fault = outOfBounds(gate, s.metrics[gate.metric] ?? { ok: false, reason: 'not computed', n: s.n });
    return fault === undefined ? [] : [`${s.column} = ${s.value} (n = ${s.n}): ${fault}`];
  });
  const found = `${judged.length} of ${slices.length} slices have at least ${minRows} rows`;
  if (judged.length === 0) return { gate, passed: false, found, why: 'no slice is large enough to judge' };
  return {
    gate,
    passed: faults.length === 0,
    found,
    why: faults.length === 0 ? 'every judged slice is within its bounds' : faults.join('; '),
  };
}

function judgeAgainstChampion(gate: Gate, difference: PairedDifference | undefined): GateResult {
  if (difference === undefined) return { gate, passed: true, found: 'no champion', why: 'there is no champion yet to compare with' };
  if (!difference.ok) return { gate, passed: false, found: 'none', why: `the comparison could not be made: ${difference.reason}` };
  const margin = gate.margin ?? 0;
  const found = `improvement ${round(difference.difference)} [${round(difference.low)}, ${round(difference.high)}], n = ${difference.n}, ${difference.method}`;
  if (gate.betterThan) {
    const better = difference.low > margin;
    return {
      gate,
      passed: better,
      found,
      why: better
        ? `better than the champion${margin > 0 ? ` by more than ${margin}` : ''}`
        : `the interval does not lie above ${margin}: it is not shown to be better than the champion`,
    };
  }
  const passed = difference.low >= -margin;
  return {
    gate,
    passed,
    found,
    why: passed
      ? `not worse than the champion by more than ${margin}`
      : `the interval reaches below -${margin}: it may be worse than the champion`,
  };
}

/** Why these rows say nothing about these models: the fit of one of them may have seen them. Undefined if they do. */
export function seenInTraining(evaluation: Evaluation, versions: readonly ModelVersion[]): string | undefined {
  const seen = versions.find((v) => v.evidence.trainingCutoffUs !== undefined && evaluation.window.fromUs < v.evidence.trainingCutoffUs);
  return seen && `the rows begin before the training cut-off of version ${seen.number}, so its fit may have seen them`;
}
