// Walks the opcodes of a pickle without performing any: what it imports is what it can call.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Unreadable, type ByteSource } from './byte-source.ts';
import { arrayBytes, isArrayWrapper } from './joblib-array.ts';
import { isSmall, Machine, made, MARK, setEntries, tupleOf, type Value } from './machine.ts';
import { opcodes, type Opcode } from './opcodes.ts';

/** Told every import: `undefined` when the name is not in the file as it stands. */
export type OnImport = (module: string | undefined, name: string | undefined) => void;

export interface Walk {
  readonly onImport: OnImport;
  /** Reads arrays where joblib has them. */
  readonly joblib: boolean;
  /** Operations left, of all pickles of a file together. */
  readonly budget: { operations: number };
}

const KEPT_TEXT = 512;
const MAX_NESTED = 8;
/** Operations between two turns of the event loop. */
const SLICE = 50_000;

/** Reads one pickle to its STOP; says whether arrays of joblib were skipped. Raises `Unreadable`. */
export async function walkPickle(source: ByteSource, walk: Walk, depth = 0): Promise<{ hasArrays: boolean }> {
  const machine = new Machine();
  let hasArrays = false;
  for (;;) {
    if (--walk.budget.operations < 0) throw new Unreadable('it has more operations than are followed');
    if (walk.budget.operations % SLICE === 0) await nextTurn();
    if (source.ready === 0 && !(await source.fill(1))) throw new Unreadable('it ends without its end');
    const code = source.byte();
    const opcode = opcodes[code];
    if (!opcode) throw new Unreadable(`at byte ${source.position - 1} it has no operation that there is`);
    if (opcode.effect === 'stop') return { hasArrays };
    const { argument } = opcode;
    if ('lines' in argument) {
      const first = await source.line(KEPT_TEXT);
      perform(machine, opcode, first, argument.lines === 2 ? await source.line(KEPT_TEXT) : undefined, walk.onImport);
    } else if ('counted' in argument) {
      perform(machine, opcode, await counted(source, argument.counted, opcode), undefined, walk.onImport);
    } else {
      const { fixed } = argument;
      if (source.ready < fixed && !(await source.fill(fixed))) throw new Unreadable('it ends too early');
      const value =
        opcode.effect === 'bool' ? code === 0x88 : fixed > 0 && opcode.effect !== 'keep' ? integer(source.take(fixed), opcode) : undefined;
      if (opcode.effect === 'keep') source.take(fixed);
      perform(machine, opcode, value, undefined, walk.onImport);
    }
    if (opcode.effect !== 'build' || !walk.joblib || !isArrayWrapper(machine.top)) continue;
    hasArrays = true;
    const follows = arrayBytes(machine.top);
    if (follows === 'unclear') throw new Unreadable('it has an array of joblib whose size cannot be told');
    if (follows === 'nested') {
      if (depth >= MAX_NESTED) throw new Unreadable('its arrays of objects are nested too deeply');
      await walkPickle(source, walk, depth + 1);
    } else {
      if (follows.isAligned) {
        if (!(await source.fill(1))) throw new Unreadable('it ends too early');
        await source.skip(source.byte());
      }
      await source.skip(follows.bytes);
    }
  }
}

function integer(bytes: Buffer, { name }: Opcode): number | undefined {
  if (bytes.length === 8) return undefined;
  return name === 'BININT' ? bytes.readInt32LE() : bytes.readUIntLE(0, bytes.length);
}

async function counted(source: ByteSource, size: 1 | 4 | 8, { effect, name }: Opcode): Promise<string | number | undefined> {
  if (!(await source.fill(size))) throw new Unreadable('it ends too early');
  const head = source.take(size);
  const length = size === 8 ? Number(head.readBigUInt64LE()) : head.readUIntLE(0, size);
  if (effect === 'text' && length <= KEPT_TEXT * 4) {
    if (!(await source.fill(length))) throw new Unreadable('it ends too early');
    return source.take(length).toString(name.endsWith('STRING') ? 'latin1' : 'utf8');
  }
  if (effect === 'int' && length <= 6) {
    if (!(await source.fill(length))) throw new Unreadable('it ends too early');
    return length === 0 ? 0 : source.take(length).readIntLE(0, length);
  }
  await source.skip(length);
  return undefined;
}

const unescaped = (name: string, text: string): string =>
  name === 'STRING' && /^(['"]).*\1$/s.test(text)
    ? text.slice(1, -1)
    : text.replace(/\\u([0-9a-fA-F]{4})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));

const asText = (value: Value): string | undefined => (typeof value === 'string' ? value : undefined);

// eslint-disable-next-line complexity -- one case for each effect, in the order of the table
function perform(m: Machine, { effect, name }: Opcode, argument: Value, second: string | undefined, onImport: OnImport): void {
  const imported = (module: string | undefined, called: string | undefined): Value => {
    onImport(module, called);
    return module === undefined || called === undefined ? undefined : { kind: 'import', module, name: called };
  };
  switch (effect) {
    case 'push':
      return m.push(undefined);
    case 'int':
      return m.push(typeof argument === 'string' ? Number(argument.replace(/L$/, '')) : argument);
    case 'text':
      return m.push(name === 'STRING' || name === 'UNICODE' ? unescaped(name, argument as string) : argument);
    case 'bool':
      return m.push(argument);
    case 'none':
      return m.push(null);
    case 'mark':
      return m.push(MARK);
    case 'pop':
      return void m.drop();
    case 'pop-mark':
      return void m.popToMark();
    case 'dup':
      return m.push(m.top);
    case 'from-mark':
      m.popToMark();
      return m.push(undefined);
    case 'dict':
      return m.push({ kind: 'small', entries: new Map() });
    case 'tuple0':
      return m.push([]);
    case 'tuple': {
      const { items, count } = m.popToMark();
      return m.push(tupleOf(items, count));
    }
    case 'tuple1':
    case 'tuple2':
    case 'tuple3': {
      const items: Value[] = [];
      for (let i = 0; i < Number(effect.slice(-1)); i++) items.unshift(m.pop());
      return m.push(tupleOf(items));
    }
    case 'append':
      return void m.pop();
    case 'into':
      return void m.popToMark();
    case 'setitem': {
      const [value, key] = [m.pop(), m.pop()];
      return setEntries(m.top, [key, value]);
    }
    case 'setitems': {
      const { items } = m.popToMark();
      return setEntries(m.top, items);
    }
    case 'get':
      return m.push(m.get(Number(argument)));
    case 'put':
      return m.put(Number(argument), m.top);
    case 'memoize':
      return m.memoize(m.top);
    case 'global':
      return m.push(imported(argument as string, second));
    case 'stack-global': {
      const [called, module] = [asText(m.pop()), asText(m.pop())];
      return m.push(imported(module, called));
    }
    case 'inst':
      m.popToMark();
      return m.push(made(imported(argument as string, second), undefined));
    case 'obj': {
      const { items } = m.popToMark();
      return m.push(made(items[0], undefined));
    }
    case 'reduce':
    case 'newobj': {
      const [args, of] = [m.pop(), m.pop()];
      return m.push(made(of, args));
    }
    case 'newobj-ex': {
      m.pop();
      const [args, of] = [m.pop(), m.pop()];
      return m.push(made(of, args));
    }
    case 'build': {
      const state = m.pop();
      if (isArrayWrapper(m.top) && isSmall(state)) m.top.state = state;
      return undefined;
    }
    case 'extension':
      // Whatever copyreg knows by this number where it is loaded.
      onImport('copyreg', `extension ${Number(argument)}`);
      return m.push(undefined);
    case 'persistent':
      m.pop();
      return m.push(undefined);
    default:
      return undefined;
  }
}
