// A batch of labels is accepted: checked row by row, written as one file, and recorded together with its event.
// Nothing is looked for yet; that is done at ticks of event time.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { insertBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Fault } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { loggedPseudonym } from '../../serving/public.ts';
import type { MonitorDefinition } from '../../projects/public.ts';
import { suppressedIn, type Suppressed } from '../../subjects/public.ts';
import { fail } from '../errors.ts';
import { collectHints, MAX_FAULTS, MAX_ROWS, parseRow, type LabelRow, type ParsedRow } from '../model.ts';
import * as batches from '../store/batches.ts';
import { takeSeq } from '../store/monitors.ts';

export interface NewBatch {
  readonly project: string;
  readonly monitor: MonitorDefinition;
  /** Texts of JSON objects, with the number of each for faults. */
  readonly rows: AsyncIterable<{ readonly n: number; readonly text: string }>;
  readonly place: (n: number, member: string) => string;
  /** Columns that are in the log as their HMAC only. */
  readonly personal: ReadonlySet<string>;
  readonly folder: string;
  readonly datasetVersion?: string;
}

export interface AcceptedBatch {
  readonly batch: string;
  readonly rows: number;
  /** The same labels were sent before: nothing changed. */
  readonly duplicate: boolean;
}

/** Raises `feedback-invalid`, `batch-unreadable`. */
export async function acceptBatch(ctx: Ctx, input: NewBatch): Promise<AcceptedBatch> {
  const { project, monitor, datasetVersion = null } = input;
  const of = { project, monitor: monitor.name };
  const written = await writeRows(ctx, input);
  const { digest, rows, hints } = written;
  // A version that goes back to what an earlier one said is news.
  const id = `fbk_${createHash('sha256')
    .update(JSON.stringify([project, monitor.name, digest, ...(datasetVersion === null ? [] : [datasetVersion])]))
    .digest('hex')
    .slice(0, 26)}`;
  const before = await batches.findBatch(ctx.db, ctx.workspace, of, id);
  if (before) return { batch: id, rows: before.rows, duplicate: true };
  const store = await ctx.blobs.begin();
  try {
    await store.add({ path: written.path });
    const entries = await store.commit();
    failpoint('feedback.before-accepted');
    const duplicate = await ctx.tx(async (tx) => {
      // Numbers are taken one by one, so who sent the same labels meanwhile is seen here.
      const seq = await takeSeq(tx.db, tx.workspace, of);
      if (await batches.findBatch(tx.db, tx.workspace, of, id)) return true;
      const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, project);
      await insertBlobs(tx, entries);
      await batches.insertBatch(tx.db, tx.workspace, {
        ...of,
        id,
        seq,
        state: 'accepted',
        source: datasetVersion === null ? 'api' : 'dataset',
        datasetVersion,
        digest,
        rows,
        hints,
        joined: 0,
        duplicate: 0,
        corrected: 0,
        unknown: 0,
        late: 0,
        waiting: rows,
        actor: tx.actor.id,
        acceptedUs: nowUs,
        recordedMs: tx.clock.now(),
        version: 1,
      });
      const self = { kind: 'feedback-batch', id };
      await tx.emit({
        type: 'feedback.accepted',
        subject: self,
        label: `${rows} labels`,
        project,
        payload: { monitor: monitor.name, batch: id, rows, digest },
        occurredUs: nowUs,
        edges: [
          { from: self, to: { kind: 'monitor', id: `${project}/${monitor.name}` }, relation: 'labels' },
          ...(datasetVersion === null ? [] : [{ from: self, to: { kind: 'dataset-version', id: datasetVersion }, relation: 'source' }]),
        ],
      });
      return false;
    });
    failpoint('feedback.after-accepted');
    return { batch: id, rows, duplicate };
  } catch (error) {
    await store.abandon();
    throw error;
  }
}

/** Rows are checked in portions, so that a large batch holds up nobody for long. */
const PORTION = 2000;

async function writeRows(ctx: Ctx, { project, monitor, rows, place, personal, folder }: NewBatch) {
  const suppressed = await suppressedIn(ctx, project);
  const path = join(folder, 'labels.ndjson');
  const file = createWriteStream(path, { mode: 0o600 });
  const hash = createHash('sha256');
  const collector = collectHints(monitor.endpoint !== null);
  const faults: Fault[] = [];
  let [count, wrong] = [0, 0];
  let lines: string[] = [];
  const flush = async (): Promise<void> => {
    const text = lines.join('');
    lines = [];
    hash.update(text);
    if (text !== '' && !file.write(text)) await once(file, 'drain');
    await new Promise(setImmediate);
  };
  try {
    for await (const { n, text } of rows) {
      const parsed = ofTask(
        monitor,
        parseText(text, count, (member) => place(n, member)),
        place(n, 'label'),
      );
      if ('faults' in parsed) {
        wrong += parsed.faults.length;
        faults.push(...parsed.faults.slice(0, MAX_FAULTS - faults.length));
      } else if (wrong === 0 && !isSuppressed(parsed.row, suppressed)) {
        const row = asLogged(ctx, parsed.row, personal);
        collector.add(row);
        lines.push(`${JSON.stringify(row)}\n`);
      }
      count += 1;
      if (lines.length >= PORTION) await flush();
    }
    await flush();
  } finally {
    file.end();
    await finished(file);
  }
  const refuse = (found: readonly Fault[], n: number): never =>
    fail('feedback-invalid', { monitor: monitor.name, count: n, shown: found.length }, found);
  if (wrong > 0) refuse(faults, wrong);
  if (count === 0) refuse([{ pointer: 'body', detail: 'has no labels' }], 1);
  if (count >= MAX_ROWS) refuse([{ pointer: 'body', detail: `has ${count} labels; send at most ${MAX_ROWS - 1} at once` }], 1);
  if (!collector.fits())
    refuse([{ pointer: 'key', detail: 'comes in more than 20 different sets of columns; send them as batches of their own' }], 1);
  return { path, digest: hash.digest('hex'), rows: count, hints: collector.hints() };
}

/** Labels that name an erased subject by its key are taken and not kept. */
const isSuppressed = ({ k }: LabelRow, suppressed: Suppressed): boolean =>
  k !== null && suppressed.number > 0 && Object.entries(k).some(([name, value]) => suppressed.has(name, value));

/** A label 7 of a yes-or-no question would be neither, and silently count as one of them. */
function ofTask({ task }: MonitorDefinition, parsed: ParsedRow, pointer: string): ParsedRow {
  if (task !== 'binary' || 'faults' in parsed || parsed.row.l === null || parsed.row.l === 0 || parsed.row.l === 1) return parsed;
  return { faults: [{ pointer, detail: 'must be true, false, 1 or 0, for the monitor is of a binary task; null withdraws a label' }] };
}

function parseText(text: string, r: number, place: (member: string) => string): ParsedRow {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { faults: [{ pointer: place(''), detail: `is not JSON: ${(error as Error).message}` }] };
  }
  return parseRow(value, r, place);
}

/** Personal columns are in the log as their HMAC, and labels keep no more than the log does. */
function asLogged(ctx: Ctx, row: LabelRow, personal: ReadonlySet<string>): LabelRow {
  if (row.k === null || personal.size === 0) return row;
  return {
    ...row,
    k: Object.fromEntries(Object.entries(row.k).map(([name, v]) => [name, personal.has(name) ? loggedPseudonym(ctx.settings.dir, v) : v])),
  };
}
