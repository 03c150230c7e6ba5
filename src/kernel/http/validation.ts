// Checks a request against its route's schemas and says, place by place, what is wrong.
import type { Ajv2020, ErrorObject, Options, ValidateFunction } from 'ajv/dist/2020.js';
import type { TSchema } from 'typebox';
import { fail, type Fault } from '../errors.ts';
import { onFirstUse, whenNeeded } from '../process/when-needed.ts';

const ajv = whenNeeded<typeof import('ajv/dist/2020.js')>('ajv/dist/2020.js');
const formats = whenNeeded<(ajv: Ajv2020) => void>('ajv-formats');

/** Schemas given to it are ours, so they are not checked by the schema of schemas, which takes a fifth of a second to compile. */
export function openValidator(options: Options): Ajv2020 {
  const validator = new (ajv().Ajv2020)({ ...options, validateSchema: false, meta: false });
  formats()(validator);
  return validator;
}

// Values of paths and queries arrive as text and are converted; a body must have the right types as it is.
const options = { allErrors: false, strict: false, strictNumbers: true, useDefaults: true, ownProperties: true } as const;
// "1e999" is converted to Infinity, which must meet the bounds and not be passed over as no number at all.
const forText = onFirstUse(() => openValidator({ ...options, strictNumbers: false, coerceTypes: 'array' }));
const forBody = onFirstUse(() => openValidator(options));

/** A check of a schema. It is compiled when first asked for: all at once would be half of the time of a start. */
export type Check = () => ValidateFunction;

const lazily = (validator: () => Ajv2020, schema: TSchema): Check => onFirstUse(() => validator().compile(closed(schema)));

export const compileText = (schema: TSchema): Check => lazily(forText, schema);
export const compileBody = (schema: TSchema): Check => lazily(forBody, schema);

/** For a route that takes no query, or no body: anything in it is unknown. */
export const nothing: Check = compileBody({ type: 'object', properties: {} } as TSchema);

/** Runs a compiled check; raises `invalid-input` with every fault's place. */
export function check(compiled: Check | undefined, value: unknown, what: string): void {
  const validate = compiled?.();
  if (!validate || validate(value)) return;
  fail('invalid-input', { what }, (validate.errors ?? []).map(toFault));
}

function toFault(error: ErrorObject): Fault {
  const extra = error.keyword === 'additionalProperties' || error.keyword === 'unevaluatedProperties';
  const member = extra ? `/${escape(String(error.params.additionalProperty ?? error.params.unevaluatedProperty))}` : '';
  const allowed = error.keyword === 'enum' ? `: ${(error.params.allowedValues as unknown[]).map((v) => JSON.stringify(v)).join(', ')}` : '';
  const detail = extra ? 'is not a member that is known here; remove it or mend its name' : `${error.message ?? 'is not valid'}${allowed}`;
  return { pointer: `${error.instancePath}${member}` || '/', detail };
}

const escape = (token: string): string => token.replaceAll('~', '~0').replaceAll('/', '~1');

// Requests with unknown members are refused, so every object of a request schema is closed unless it says
// otherwise; and an integer is one that a number and both databases hold exactly.
function closed(schema: TSchema): TSchema {
  const copy = JSON.parse(JSON.stringify(schema)) as Record<string, unknown>;
  const close = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const object = node as Record<string, unknown>;
    if (object.type === 'object' && object.properties !== undefined && object.additionalProperties === undefined)
      object.additionalProperties = false;
    if (object.type === 'integer') {
      object.minimum ??= Number.MIN_SAFE_INTEGER;
      object.maximum ??= Number.MAX_SAFE_INTEGER;
    }
    for (const child of Object.values(object)) close(child);
  };
  close(copy);
  return copy as TSchema;
}
