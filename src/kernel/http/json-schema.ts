// Writes JSON Schemas, as TypeBox does and with its types, for the few kinds that occur here. TypeBox itself is
// hundreds of modules, which every process of ours would load at its start: a tenth of a second and 15 MB each.
import type TypeBox from 'typebox';

type Schema = Record<string, unknown>;
type Kinds =
  | 'String'
  | 'Number'
  | 'Integer'
  | 'Boolean'
  | 'Null'
  | 'Unknown'
  | 'Literal'
  | 'Enum'
  | 'Union'
  | 'Array'
  | 'Object'
  | 'Record';
type Changes = 'Optional' | 'Partial' | 'Unsafe';

// Known to who builds an object, and not part of the schema.
const OPTIONAL = '~optional';

const plain =
  (type: string) =>
  (options?: Schema): Schema => ({ type, ...options });

const optional = (schema: Schema): Schema => Object.defineProperty({ ...schema }, OPTIONAL, { value: true });

function object(properties: Readonly<Record<string, Schema>>, options?: Schema): Schema {
  const required = Object.keys(properties).filter((name) => !(OPTIONAL in properties[name]!));
  return { type: 'object', ...(required.length > 0 ? { required } : {}), properties, ...options };
}

const builder = {
  String: plain('string'),
  Number: plain('number'),
  Integer: plain('integer'),
  Boolean: plain('boolean'),
  Null: plain('null'),
  Unknown: (options?: Schema): Schema => ({ ...options }),
  Literal: (value: string | number | boolean, options?: Schema): Schema => ({ type: typeof value, const: value, ...options }),
  Enum: (values: readonly unknown[], options?: Schema): Schema => ({ enum: [...values], ...options }),
  Union: (anyOf: readonly Schema[], options?: Schema): Schema => ({ anyOf, ...options }),
  Array: (items: Schema, options?: Schema): Schema => ({ type: 'array', items, ...options }),
  Object: object,
  Record: (key: Schema, value: Schema, options?: Schema): Schema => ({
    type: 'object',
    patternProperties: { [typeof key.pattern === 'string' ? key.pattern : '^.*$']: value },
    ...options,
  }),
  Optional: optional,
  Partial: ({ properties }: Schema): Schema =>
    object(Object.fromEntries(Object.entries(properties as Record<string, Schema>).map(([name, schema]) => [name, optional(schema)]))),
  Unsafe: (schema: Schema): Schema => schema,
} satisfies Record<Kinds | Changes, unknown>;

const Type = builder as unknown as Pick<typeof TypeBox, Kinds | Changes>;
export default Type;
