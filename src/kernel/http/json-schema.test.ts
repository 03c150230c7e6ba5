import assert from 'node:assert/strict';
import { test } from 'node:test';
import TypeBox from 'typebox';
import Type from './json-schema.ts';

const written = (make: (T: typeof Type) => unknown): [string, string] => [JSON.stringify(make(Type)), JSON.stringify(make(TypeBox))];

test('schemas are those that TypeBox writes, member by member', () => {
  const kinds: readonly ((T: typeof Type) => unknown)[] = [
    (T) => T.String({ maxLength: 3 }),
    (T) => [T.Number(), T.Integer({ minimum: 1 }), T.Boolean(), T.Null(), T.Unknown({ description: 'any' })],
    (T) => T.Union([T.Literal('a'), T.Literal(3), T.Literal(true), T.Null()], { description: 'one of' }),
    (T) => T.Enum(['a', 'b'], { default: 'a' }),
    (T) => T.Array(T.Integer(), { maxItems: 2 }),
    (T) => T.Object({}),
    (T) => T.Object({ a: T.Optional(T.String({ title: 't' })), b: T.Null() }, { additionalProperties: false }),
    (T) => T.Object({ a: T.Optional(T.Object({ b: T.Optional(T.Optional(T.String())) })) }),
    (T) => T.Partial(T.Object({ a: T.String(), b: T.Optional(T.Null()) })),
    (T) => T.Record(T.String(), T.Number(), { description: 'by name' }),
    (T) => T.Record(T.String({ pattern: '^[a-z]+$' }), T.Number()),
    (T) => T.Record(T.String({ maxLength: 5 }), T.Number()),
    (T) => T.Unsafe<string>({ type: 'string', enum: ['a'] }),
  ];
  for (const make of kinds) assert.equal(...written(make));
});

test('a schema made optional leaves the one it was made from as it was', () => {
  const name = Type.String();
  const both = Type.Object({ a: Type.Optional(name), b: name });
  assert.deepEqual(both.required, ['b']);
});
