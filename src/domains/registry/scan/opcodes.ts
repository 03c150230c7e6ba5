// The opcodes of pickle, protocols 0 to 5: how long the argument of each is and what it does to the stack.
// Source: Lib/pickletools.py and Lib/pickle.py of CPython 3.14.

/** fixed: bytes; counted: a length of so many bytes (little-endian), then that many; lines: ended by line feeds. */
export type Argument = { readonly fixed: number } | { readonly counted: 1 | 4 | 8 } | { readonly lines: 1 | 2 };

/**
 * push: something that is not looked into; mark: ends the items since the last mark and pushes; the others have
 * a meaning of their own in `pickle.ts`.
 */
export type Effect =
  | 'push' | 'int' | 'text' | 'bool' | 'none' | 'mark' | 'pop' | 'pop-mark' | 'dup' | 'from-mark' | 'list' | 'dict' | 'tuple0' | 'tuple'
  | 'tuple1' | 'tuple2' | 'tuple3' | 'append' | 'into' | 'setitem' | 'setitems' | 'get' | 'put' | 'memoize' | 'global' | 'stack-global'
  | 'inst' | 'obj' | 'reduce' | 'newobj' | 'newobj-ex' | 'build' | 'extension' | 'persistent' | 'keep' | 'stop'; // prettier-ignore

export interface Opcode {
  readonly name: string;
  readonly argument: Argument;
  readonly effect: Effect;
}

const fixed = (bytes: number): Argument => ({ fixed: bytes });
const counted = (bytes: 1 | 4 | 8): Argument => ({ counted: bytes });
const line: Argument = { lines: 1 };

const table: readonly (readonly [number, string, Argument, Effect])[] = [
  [0x49, 'INT', line, 'int'],
  [0x4a, 'BININT', fixed(4), 'int'],
  [0x4b, 'BININT1', fixed(1), 'int'],
  [0x4d, 'BININT2', fixed(2), 'int'],
  [0x4c, 'LONG', line, 'int'],
  [0x8a, 'LONG1', counted(1), 'int'],
  [0x8b, 'LONG4', counted(4), 'int'],
  [0x53, 'STRING', line, 'text'],
  [0x54, 'BINSTRING', counted(4), 'text'],
  [0x55, 'SHORT_BINSTRING', counted(1), 'text'],
  [0x42, 'BINBYTES', counted(4), 'push'],
  [0x43, 'SHORT_BINBYTES', counted(1), 'push'],
  [0x8e, 'BINBYTES8', counted(8), 'push'],
  [0x96, 'BYTEARRAY8', counted(8), 'push'],
  [0x97, 'NEXT_BUFFER', fixed(0), 'push'],
  [0x98, 'READONLY_BUFFER', fixed(0), 'keep'],
  [0x4e, 'NONE', fixed(0), 'none'],
  [0x88, 'NEWTRUE', fixed(0), 'bool'],
  [0x89, 'NEWFALSE', fixed(0), 'bool'],
  [0x56, 'UNICODE', line, 'text'],
  [0x8c, 'SHORT_BINUNICODE', counted(1), 'text'],
  [0x58, 'BINUNICODE', counted(4), 'text'],
  [0x8d, 'BINUNICODE8', counted(8), 'text'],
  [0x46, 'FLOAT', line, 'push'],
  [0x47, 'BINFLOAT', fixed(8), 'push'],
  [0x5d, 'EMPTY_LIST', fixed(0), 'push'],
  [0x61, 'APPEND', fixed(0), 'append'],
  [0x65, 'APPENDS', fixed(0), 'into'],
  [0x6c, 'LIST', fixed(0), 'from-mark'],
  [0x29, 'EMPTY_TUPLE', fixed(0), 'tuple0'],
  [0x74, 'TUPLE', fixed(0), 'tuple'],
  [0x85, 'TUPLE1', fixed(0), 'tuple1'],
  [0x86, 'TUPLE2', fixed(0), 'tuple2'],
  [0x87, 'TUPLE3', fixed(0), 'tuple3'],
  [0x7d, 'EMPTY_DICT', fixed(0), 'dict'],
  [0x64, 'DICT', fixed(0), 'from-mark'],
  [0x73, 'SETITEM', fixed(0), 'setitem'],
  [0x75, 'SETITEMS', fixed(0), 'setitems'],
  [0x8f, 'EMPTY_SET', fixed(0), 'push'],
  [0x90, 'ADDITEMS', fixed(0), 'into'],
  [0x91, 'FROZENSET', fixed(0), 'from-mark'],
  [0x30, 'POP', fixed(0), 'pop'],
  [0x32, 'DUP', fixed(0), 'dup'],
  [0x28, 'MARK', fixed(0), 'mark'],
  [0x31, 'POP_MARK', fixed(0), 'pop-mark'],
  [0x67, 'GET', line, 'get'],
  [0x68, 'BINGET', fixed(1), 'get'],
  [0x6a, 'LONG_BINGET', fixed(4), 'get'],
  [0x70, 'PUT', line, 'put'],
  [0x71, 'BINPUT', fixed(1), 'put'],
  [0x72, 'LONG_BINPUT', fixed(4), 'put'],
  [0x94, 'MEMOIZE', fixed(0), 'memoize'],
  [0x82, 'EXT1', fixed(1), 'extension'],
  [0x83, 'EXT2', fixed(2), 'extension'],
  [0x84, 'EXT4', fixed(4), 'extension'],
  [0x63, 'GLOBAL', { lines: 2 }, 'global'],
  [0x93, 'STACK_GLOBAL', fixed(0), 'stack-global'],
  [0x52, 'REDUCE', fixed(0), 'reduce'],
  [0x62, 'BUILD', fixed(0), 'build'],
  [0x69, 'INST', { lines: 2 }, 'inst'],
  [0x6f, 'OBJ', fixed(0), 'obj'],
  [0x81, 'NEWOBJ', fixed(0), 'newobj'],
  [0x92, 'NEWOBJ_EX', fixed(0), 'newobj-ex'],
  [0x80, 'PROTO', fixed(1), 'keep'],
  [0x2e, 'STOP', fixed(0), 'stop'],
  [0x95, 'FRAME', fixed(8), 'keep'],
  [0x50, 'PERSID', line, 'push'],
  [0x51, 'BINPERSID', fixed(0), 'persistent'],
];

export const opcodes: readonly (Opcode | undefined)[] = (() => {
  const found: (Opcode | undefined)[] = Array.from({ length: 256 });
  for (const [code, name, argument, effect] of table) found[code] = { name, argument, effect };
  return found;
})();
