// Rows of any number through a model, batch by batch, in the scoring process: checked as an endpoint checks what it is
// sent, and written as they are scored.
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { fail } from '../errors.ts';
import { checkValue, limitOf, resolve, type FaultKind, type Slot, type Value } from '../model.ts';
import type { ModelInput, ModelSession, OutputColumn } from './onnx-runtime.ts';
import { scoreAt } from './onnx-runtime.ts';
import type { ScoredColumn, ScoringTask } from './score-table.ts';

const BATCH = 4096;

const words: Readonly<Record<FaultKind, string>> = {
  missing: 'is missing, and nothing says what stands for it',
  nan: 'is NaN, and nothing says what stands for it',
  'wrong-type': 'is of another type than the model reads',
  'out-of-range': 'is outside of what the model’s input can hold',
  'unknown-entity': 'is not known at this time',
  'unknown-column': 'is not a column of the model',
};

function slotOf(column: ScoredColumn, inputs: readonly ModelInput[]): Slot {
  const own = inputs.filter((input) => input.name === column.name);
  const isWhole = own.some((input) => input.type.startsWith('int'));
  const type = isWhole && column.type === 'number' ? 'integer' : column.type;
  return {
    name: column.name,
    type,
    missing: column.missing,
    limit: Math.min(
      type === 'integer' ? Number.MAX_SAFE_INTEGER : Number.MAX_VALUE,
      ...own.map((input) => limitOf[input.type] ?? Infinity),
    ),
    mayBeMissing: own.every((input) => !/^(int|bool)/.test(input.type)),
  };
}

/** Reads the rows one by one, and writes each batch before it takes the next. Returns how many there were. */
export async function scoreRows(
  session: ModelSession,
  task: Extract<ScoringTask, { do: 'score-rows' }>,
  rows: AsyncIterable<Readonly<Record<string, unknown>>>,
): Promise<number> {
  const slots = task.columns.map((column) => slotOf(column, session.inputs));
  const slotOfInput = session.inputs.map((input) => {
    const at = task.columns.findIndex((c) => c.name === input.name);
    if (at < 0) fail('model-columns-mismatch', { what: `The model reads "${input.name}", which the rows do not have.` });
    if ((input.type === 'string') !== (task.columns[at]!.type === 'string'))
      fail('model-columns-mismatch', {
        what: `The model reads "${input.name}" as ${input.type}, and the column is ${task.columns[at]!.type}.`,
      });
    return at;
  });
  const outputs = [task.score, ...task.outputs.filter((name) => name !== task.score)];
  const numbers: unknown[] = [];
  let columns: Value[][] = slots.map(() => []);
  let done = 0;
  const fd = openSync(task.outPath, 'w');
  const flush = async (): Promise<void> => {
    const step = session.batches ? numbers.length : 1;
    for (let from = 0; from < numbers.length; from += step) {
      const given = (input: number): Value[] => {
        const values = columns[slotOfInput[input]!]!;
        return step === numbers.length ? values : [values[from]!];
      };
      const found = await session.run(step, given, outputs);
      writeFileSync(fd, linesOf(found, numbers.slice(from, from + step), task));
    }
    done += numbers.length;
    numbers.length = 0;
    columns = slots.map(() => []);
    process.send!({ progress: done });
  };
  try {
    for await (const row of rows) {
      slots.forEach((slot, i) => columns[i]!.push(valueOf(slot, row[slot.name], row.n)));
      if (numbers.push(row.n) === BATCH) await flush();
    }
    if (numbers.length > 0) await flush();
  } finally {
    closeSync(fd);
  }
  return done;
}

function valueOf(slot: Slot, value: unknown, n: unknown): Value {
  const checked = checkValue(slot, value);
  if (checked.ok) return checked.value;
  const use = resolve(slot, checked.kind);
  return use === 'refuse' ? fail('score-rows-invalid', { row: Number(n), column: slot.name, why: words[checked.kind] }) : use.use;
}

function linesOf(
  found: ReadonlyMap<string, OutputColumn>,
  numbers: readonly unknown[],
  task: { score: string; outputs: readonly string[] },
): string {
  const scores = found.get(task.score)!;
  const others = task.outputs.map((name) => [JSON.stringify(name), found.get(name)!] as const);
  let text = '';
  for (let row = 0; row < numbers.length; row++) {
    const score = scoreAt(scores, row);
    text += `{"n":${String(numbers[row])},"score":${Number.isFinite(score) ? score : null}`;
    for (const [name, { values, width }] of others) {
      const own = Array.from({ length: width }, (_, i) => plain(values[row * width + i]!));
      text += `,${name}:${JSON.stringify(width === 1 ? own[0] : own)}`;
    }
    text += '}\n';
  }
  return text;
}

const plain = (value: number | bigint | string | boolean): number | string | boolean => (typeof value === 'bigint' ? Number(value) : value);
