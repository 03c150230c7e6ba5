// gyre.yaml -> ProjectDefinition. Every fault is found in one pass and named with file, line, column and key.
import type { ErrorObject } from 'ajv/dist/2020.js';
import type { Static } from 'typebox';
import type { Document, YAMLError } from 'yaml';
import { nearest } from '../../kernel/config/settings.ts';
import type { Fault } from '../../kernel/errors.ts';
import { openValidator } from '../../kernel/http/validation.ts';
import { onFirstUse, whenNeeded } from '../../kernel/process/when-needed.ts';
import { fail } from './errors.ts';
import { crossCheck } from './cross-check.ts';
import { normalise } from './normalise.ts';
import type { ProjectDefinition } from './model.ts';
import { ProjectFile } from './schema.ts';

/** The pattern of durations in the schema. */
const DURATION = '^\\d+(s|m|h|d|w)$';

const yaml = whenNeeded<typeof import('yaml')>('yaml');
// Made and compiled when a file is read: most processes that load this module never read one.
const ajv = onFirstUse(() => openValidator({ allErrors: true, strict: false, verbose: true }));
const validator = onFirstUse(() => ajv().compile<Static<typeof ProjectFile>>(JSON.parse(JSON.stringify(ProjectFile))));

export type KeyPath = readonly (string | number)[];
export type RawProject = Static<typeof ProjectFile>;

// Generous for a file that people write, small enough to parse between two requests.
const MAX_CHARACTERS = 256 * 1024;
const MAX_FAULTS = 50;

/** Raises `project-invalid` with the faults, at most 50 of them. `file` is the name to print. */
export function parseProject(text: string, file = 'gyre.yaml'): ProjectDefinition {
  const refuse = (faults: readonly Fault[]): never => fail('project-invalid', { file, count: faults.length }, faults.slice(0, MAX_FAULTS));
  if (text.length > MAX_CHARACTERS)
    return refuse([{ pointer: `${file}:1:1`, detail: `has ${text.length} characters; a project file has at most ${MAX_CHARACTERS}` }]);
  const { LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, version: '1.2', uniqueKeys: false, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const unread = [...document.errors, ...document.warnings];
  if (unread.length > 0) return refuse(unread.slice(0, MAX_FAULTS).map((e) => yamlFault(e, at)));
  const repeated = repeatedKeys(document, at);
  if (repeated.length > 0) return refuse(repeated);
  const place = (path: KeyPath, onKey = false): string => `${at(offsetOf(document, path, onKey))} ${path.join('.')}`.trim();
  let raw: unknown;
  try {
    raw = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return refuse([aliasFault(document, (error as Error).message, at)]);
  }
  const faults: Fault[] = [];
  const validate = validator();
  if (!validate(raw)) faults.push(...schemaFaults((validate.errors ?? []).slice(0, 4 * MAX_FAULTS), raw, place));
  if (faults.length > 0) return refuse(faults);
  const definition = normalise(raw as RawProject);
  faults.push(...crossCheck(raw as RawProject, definition, place));
  if (faults.length > 0) return refuse(faults);
  return definition;
}

function yamlFault(error: YAMLError, at: (offset: number) => string): Fault {
  const pointer = at(error.pos[0]);
  if (/call stack/.test(error.message)) return { pointer, detail: 'is nested too deeply' };
  if (error.code === 'MULTIPLE_DOCS') return { pointer, detail: 'a second document begins here ("---"); a project file holds one' };
  return { pointer, detail: error.message };
}

// The parser's own check compares every key with every other one.
function repeatedKeys(document: Document, at: (offset: number) => string): Fault[] {
  const faults: Fault[] = [];
  yaml().visit(document, {
    Map: (_, map) => {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (!yaml().isScalar(key)) continue;
        const name = String(key.value);
        if (seen.has(name))
          faults.push({
            pointer: `${at(key.range?.[0] ?? 0)} ${name}`.trim(),
            detail: `the key "${name}" is there twice in this mapping; remove one`,
          });
        seen.add(name);
      }
    },
  });
  return faults;
}

function aliasFault(document: Document, message: string, at: (offset: number) => string): Fault {
  const name = /^Unresolved alias .*: (.*)$/.exec(message)?.[1];
  let offset = 0;
  yaml().visit(document, { Alias: (_, alias) => void (alias.source === name && (offset = alias.range?.[0] ?? 0)) });
  return name === undefined
    ? { pointer: at(0), detail: `its aliases (*name) cannot be followed: ${message}` }
    : { pointer: at(offset), detail: `there is no anchor "&${name}" before this alias` };
}

// Position of a key path: of the key itself, or of its value; the nearest parent when it is absent.
function offsetOf(document: Document, path: KeyPath, onKey: boolean): number {
  let node: unknown = document.contents;
  let offset = yaml().isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const [depth, part] of path.entries()) {
    if (yaml().isMap(node)) {
      const pair = node.items.find((item) => yaml().isPair(item) && String((item.key as { value?: unknown }).value) === String(part));
      if (!pair) return offset;
      offset = (pair.key as { range?: [number] }).range?.[0] ?? offset;
      node = pair.value;
      if (yaml().isNode(node) && !(onKey && depth === path.length - 1)) offset = node.range?.[0] ?? offset;
    } else if (yaml().isSeq(node)) {
      node = node.items[Number(part)];
      if (yaml().isNode(node)) offset = node.range?.[0] ?? offset;
    } else return offset;
  }
  return offset;
}

function schemaFaults(errors: readonly ErrorObject[], raw: unknown, place: (path: KeyPath, onKey?: boolean) => string): Fault[] {
  const faults = new Map<string, Fault>();
  const add = (path: KeyPath, detail: string, onKey = false): void => {
    const pointer = place(path, onKey);
    if (!faults.has(pointer)) faults.set(pointer, { pointer, detail });
  };
  const stepUnions = errors.filter((e) => e.keyword === 'anyOf' && /^\/pipelines\/[^/]+\/steps\/[^/]+$/.test(e.instancePath));
  for (const union of stepUnions) for (const [path, detail, onKey] of stepFaults(union, raw)) add(path, detail, onKey);
  for (const error of errors) {
    if (stepUnions.some((u) => error.instancePath === u.instancePath || error.instancePath.startsWith(`${u.instancePath}/`))) continue;
    if (error.keyword === 'anyOf' || error.keyword === 'oneOf') {
      add(pathOf(error.instancePath), `must be ${(error.schema as Form[]).map(formOf).join(' or ')}, and is ${shown(error.data)}`);
      continue;
    }
    // A branch of a union that did not fit says less than the union.
    if (errors.some((u) => u.keyword === 'anyOf' && error.schemaPath.startsWith(u.schemaPath))) continue;
    const [path, detail, onKey] = describe(error);
    add(path, detail, onKey);
  }
  return [...faults.values()];
}

interface Form {
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

function describe(error: ErrorObject): [KeyPath, string, boolean] {
  const path = pathOf(error.instancePath);
  if (error.keyword === 'additionalProperties') {
    const key = String(error.params.additionalProperty);
    const known = Object.keys((error.parentSchema as { properties?: object }).properties ?? {});
    const near = nearest(key, known);
    return [[...path, key], `"${key}" is not a known key here.${near ? ` Did you mean "${near}"?` : ` Known: ${known.join(', ')}.`}`, true];
  }
  if (error.keyword === 'required') return [path, `"${error.params.missingProperty}" is missing`, false];
  if (error.keyword === 'type') return [path, `must be ${formOf(error.parentSchema as Form)}, and is ${shown(error.data)}`, false];
  if (error.keyword === 'pattern' && error.params.pattern === DURATION)
    return [path, `${shown(error.data)} is no duration; write a number and its unit, such as 10s, 5m, 6h, 14d or 2w`, false];
  if (error.keyword === 'pattern') return [path, `${shown(error.data)} does not have the form ${error.params.pattern}`, false];
  if (error.keyword === 'enum') return [path, `must be one of ${(error.params.allowedValues as unknown[]).join(', ')}`, false];
  if (error.keyword === 'uniqueItems') return [path, `names ${shown((error.data as unknown[])[error.params.i as number])} twice`, false];
  return [path, error.message ?? 'is not valid', false];
}

const marks: Readonly<Record<string, readonly string[]>> = {
  features: ['spine'],
  run: [],
  evaluate: ['on'],
  predict: ['on', 'out'],
  model: ['from', 'evaluation'],
};

// A step is told by its first word, so that a fault speaks of that kind of step and not of four.
function stepFaults(union: ErrorObject, raw: unknown): [KeyPath, string, boolean][] {
  const path = pathOf(union.instancePath);
  const step = path.reduce<unknown>((node, part) => (node as Record<string, unknown>)[part as string], raw);
  if (typeof step !== 'object' || step === null)
    return [[path, 'must be a step with "features", "run", "evaluate", "predict" or "model"', false]];
  const word = Object.keys(marks).find((w) => w in step);
  if (!word)
    return [
      [
        path,
        `a step needs one of ${Object.keys(marks)
          .map((w) => `"${w}"`)
          .join(', ')}`,
        false,
      ],
    ];
  const branch = (union.schema as { properties?: Record<string, unknown> }[]).find((b) => word in (b.properties ?? {}))!;
  const check = ajv().compile(branch);
  check(step);
  return (check.errors ?? []).map((e) => {
    const [inner, detail, onKey] = describe(e);
    return [[...path, ...inner], detail, onKey];
  });
}

const pathOf = (pointer: string): (string | number)[] =>
  pointer
    .split('/')
    .slice(1)
    .map((p) => p.replaceAll('~1', '/').replaceAll('~0', '~'));
