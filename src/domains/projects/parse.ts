// gyre.yaml -> ProjectDefinition. Every fault is found in one pass and named with file, line, column and key.
import type { Static } from 'typebox';
import type { Document, YAMLError } from 'yaml';
import type { Fault } from '../../kernel/errors.ts';
import { openValidator } from '../../kernel/http/validation.ts';
import { onFirstUse, whenNeeded } from '../../kernel/process/when-needed.ts';
import { fail } from './errors.ts';
import { crossCheck } from './cross-check.ts';
import { normalise } from './normalise.ts';
import type { ProjectDefinition } from './model.ts';
import { ProjectFile } from './schema.ts';
import { schemaFaults, type KeyPath } from './schema-faults.ts';

const yaml = whenNeeded<typeof import('yaml')>('yaml');
// Made and compiled when a file is read: most processes that load this module never read one.
const ajv = onFirstUse(() => openValidator({ allErrors: true, strict: false, verbose: true }));
const validator = onFirstUse(() => ajv().compile<Static<typeof ProjectFile>>(JSON.parse(JSON.stringify(ProjectFile))));

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
  if (!validate(raw)) {
    // Of several about one place the first says most.
    const told = new Map<string, Fault>();
    for (const { path, detail, onKey = false } of schemaFaults((validate.errors ?? []).slice(0, 4 * MAX_FAULTS), (s) => ajv().compile(s))) {
      const pointer = place(path, onKey);
      if (!told.has(pointer)) told.set(pointer, { pointer, detail });
    }
    faults.push(...told.values());
  }
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
