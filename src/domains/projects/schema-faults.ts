// What is wrong with a project file, in words, from what the schema's check found.
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { nearest } from '../../kernel/config/settings.ts';

export type KeyPath = readonly (string | number)[];

export interface SchemaFault {
  readonly path: KeyPath;
  readonly detail: string;
  /** It is about the key and not about its value. */
  readonly onKey?: true;
}

/** The pattern of durations in the schema. */
const DURATION = '^\\d+(s|m|h|d|w)$';

/**
 * Faults of `errors`, which were found in `raw`. A mapping that may be of several kinds is told by its first word: the
 * fault is of that kind, and not that it is none of them. `compile` checks one of them by itself.
 */
export function schemaFaults(errors: readonly ErrorObject[], compile: (schema: object) => ValidateFunction): SchemaFault[] {
  const unions = errors.filter((e) => e.keyword === 'anyOf' || e.keyword === 'oneOf');
  const within = (error: ErrorObject): boolean =>
    unions.some(
      (u) =>
        u !== error &&
        (error.schemaPath.startsWith(`${u.schemaPath}/`) ||
          // Schemas that are written once and referred to have a path of their own.
          error.instancePath === u.instancePath ||
          error.instancePath.startsWith(`${u.instancePath}/`)),
    );
  // A branch of a union that did not fit says less than the union.
  return errors.filter((e) => !within(e)).flatMap((error) => (unions.includes(error) ? ofUnion(error, compile) : [describe(error)]));
}

function ofUnion(union: ErrorObject, compile: (schema: object) => ValidateFunction): SchemaFault[] {
  const path = pathOf(union.instancePath);
  const branches = union.schema as Form[];
  const { data } = union;
  const word = (branch: Form): string | undefined => (branch.properties ? branch.required?.[0] : undefined);
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) {
    const branch = branches.find((b) => word(b) !== undefined && word(b)! in data);
    if (branch) {
      const check = compile(branch);
      check(data);
      return schemaFaults(check.errors ?? [], compile).map((f) => ({ ...f, path: [...path, ...f.path] }));
    }
    if (branches.every((b) => word(b) !== undefined))
      return [{ path, detail: `needs one of ${branches.map((b) => `"${word(b)}"`).join(', ')}` }];
  }
  return [{ path, detail: `must be ${branches.map(formOf).join(' or ')}, and is ${shown(data)}` }];
}

interface Form {
  readonly required?: readonly string[];
  readonly description?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly items?: Form;
  readonly properties?: object;
}

const formOf = (form: Form): string => {
  if (form.const !== undefined) return JSON.stringify(form.const);
  if (form.enum) return form.enum.map((v) => JSON.stringify(v)).join(' or ');
  if (form.type === 'array') return `a list of ${form.items?.type === 'string' ? 'texts' : 'values'}`;
  if (form.properties) return `a mapping with ${Object.keys(form.properties).join(', ')}`;
  return (
    ({ string: 'a text', object: 'a mapping', integer: 'a whole number' } as Readonly<Record<string, string>>)[form.type ?? ''] ??
    `a ${form.type}`
  );
};
const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
};

function describe(error: ErrorObject): SchemaFault {
  const path = pathOf(error.instancePath);
  const data = shown(error.data);
  if (error.keyword === 'additionalProperties') {
    const key = String(error.params.additionalProperty);
    const known = Object.keys((error.parentSchema as Form).properties ?? {});
    const near = nearest(key, known);
    const detail = `"${key}" is not a known key here.${near ? ` Did you mean "${near}"?` : ` Known: ${known.join(', ')}.`}`;
    return { path: [...path, key], detail, onKey: true };
  }
  if (error.keyword === 'required') return { path, detail: `"${error.params.missingProperty}" is missing` };
  if (error.keyword === 'type') return { path, detail: `must be ${formOf(error.parentSchema as Form)}, and is ${data}` };
  if (error.keyword === 'pattern' && error.params.pattern === DURATION)
    return { path, detail: `${data} is no duration; write a number and its unit, such as 10s, 5m, 6h, 14d or 2w` };
  if (error.keyword === 'pattern') {
    const { description } = error.parentSchema as Form;
    return { path, detail: `${data} does not have the form ${error.params.pattern}${description ? ` (${description})` : ''}` };
  }
  if (error.keyword === 'format' && error.params.format === 'date-time')
    return { path, detail: `${data} is no moment; write one with its zone, such as 2026-03-01T00:00:00Z` };
  if (error.keyword === 'enum') return { path, detail: `must be one of ${(error.params.allowedValues as unknown[]).join(', ')}` };
  if (error.keyword === 'uniqueItems') return { path, detail: `names ${shown((error.data as unknown[])[error.params.i as number])} twice` };
  return { path, detail: error.message ?? 'is not valid' };
}

const pathOf = (pointer: string): (string | number)[] =>
  pointer
    .split('/')
    .slice(1)
    .map((p) => p.replaceAll('~1', '/').replaceAll('~0', '~'));
