// A segment as lines of JSON with named values, one file for each workspace, project, endpoint and set of
// columns. What is done here for a million records would hold up the control process, so a thread does it.
import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { LoggedColumn } from '../model.ts';
import { propensityOf, shippedUnder, type RecordDefinition, type Value } from './record.ts';
import { readEntries } from './segment.ts';

export interface LinesFile {
  readonly path: string;
  readonly workspace: string;
  readonly project: string;
  readonly endpoint: string;
  readonly request: readonly LoggedColumn[];
  readonly inputs: readonly LoggedColumn[];
  readonly records: number;
  readonly fromUs: number;
  readonly toUs: number;
}

interface Growing {
  readonly file: LinesFile;
  readonly fd: number;
  lines: string[];
  records: number;
  fromUs: number;
  toUs: number;
}

const BUFFERED_LINES = 500;

/** Writes the files into `folder` and answers them in the order of their first records. */
export function writeLines(segmentPath: string, folder: string): LinesFile[] {
  const groups = new Map<string, Growing>();
  const columns = new Map<RecordDefinition, { readonly request: readonly LoggedColumn[]; readonly inputs: readonly LoggedColumn[] }>();
  const flush = (group: Growing): void => {
    if (group.lines.length > 0) writeSync(group.fd, `${group.lines.join('\n')}\n`);
    group.lines = [];
  };
  try {
    for (const { id, definition, body } of readEntries(segmentPath)) {
      let own = columns.get(definition);
      if (!own) {
        own = { request: named(definition.request, definition.types.request), inputs: named(definition.inputs, definition.types.inputs) };
        columns.set(definition, own);
      }
      const { workspace, project, endpoint } = definition;
      const under = shippedUnder(endpoint, body.assignment);
      const key = JSON.stringify([workspace, project, under, own]);
      let group = groups.get(key);
      if (!group) {
        const path = join(folder, `${groups.size}.ndjson`);
        const file = { path, workspace, project, endpoint: under, ...own, records: 0, fromUs: 0, toUs: 0 };
        group = { file, fd: openSync(path, 'wx', 0o600), lines: [], records: 0, fromUs: Infinity, toUs: -Infinity };
        groups.set(key, group);
      }
      const { request, facts, inputs, ...fixed } = body;
      group.lines.push(
        JSON.stringify({
          id,
          workspace,
          project,
          endpoint,
          revision: definition.revision,
          variant: definition.variant,
          model: definition.model,
          modelVersion: definition.modelVersion,
          modelDigest: definition.modelDigest,
          propensity: propensityOf(definition, body),
          ...fixed,
          request: structOf(own.request, request),
          inputs: structOf(own.inputs, inputs),
          features: definition.views.map(({ view }, i) => ({
            view,
            knownAtUs: facts[i]?.knownAtUs ?? null,
            occurredAtUs: facts[i]?.occurredAtUs ?? null,
          })),
        }),
      );
      group.records += 1;
      group.fromUs = Math.min(group.fromUs, body.eventTimeUs);
      group.toUs = Math.max(group.toUs, body.eventTimeUs);
      if (group.lines.length >= BUFFERED_LINES) flush(group);
    }
    for (const group of groups.values()) flush(group);
  } finally {
    for (const { fd } of groups.values()) closeSync(fd);
  }
  return [...groups.values()].map(({ file, records, fromUs, toUs }) => ({ ...file, records, fromUs, toUs }));
}

/** Columns under names that a struct can hold: names that differ in case alone are one to DuckDB, so the later ones get a number. */
function named(names: readonly string[], types: readonly LoggedColumn['type'][]): LoggedColumn[] {
  const taken = new Set<string>();
  return names.map((name, i) => {
    let free = name;
    for (let n = 2; taken.has(free.toLowerCase()); n++) free = `${name}_${n}`;
    taken.add(free.toLowerCase());
    return { name: free, type: types[i] ?? 'string' };
  });
}

const structOf = (columns: readonly LoggedColumn[], values: readonly Value[]): Record<string, Value> =>
  Object.fromEntries(columns.map(({ name, type }, i) => [name, fitting(type, values[i] ?? null)]));

/** A value as its column can hold it. The data plane has checked it; a record of another program must not stop the shipping. */
function fitting(type: LoggedColumn['type'], value: Value): Value {
  if (value === null) return null;
  if (type === 'string') return String(value);
  if (type === 'boolean') return typeof value === 'boolean' ? value : null;
  const number = typeof value === 'boolean' ? Number(value) : value;
  return typeof number === 'number' && (type === 'number' || Number.isSafeInteger(number)) ? number : null;
}

/** Read here in some milliseconds; to start a thread takes longer. */
const SMALL_BYTES = 1024 * 1024;

/** `writeLines`, of a large segment in a thread of its own. */
export const writeLinesAside = async (segmentPath: string, folder: string): Promise<LinesFile[]> =>
  statSync(segmentPath).size <= SMALL_BYTES ? writeLines(segmentPath, folder) : inThread(segmentPath, folder);

const inThread = (segmentPath: string, folder: string): Promise<LinesFile[]> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(join(import.meta.dirname, `segment-thread${extname(import.meta.filename)}`), {
      workerData: { segmentPath, folder },
      execArgv: ['--no-warnings'],
    });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the thread that reads ${segmentPath} ended early (${code})`)));
  });
