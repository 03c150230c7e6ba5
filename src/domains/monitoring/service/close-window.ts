// What a closed window leaves behind, in one transaction: its row, its findings, its events, and the monitor's new
// place. A process that dies before it leaves nothing, and the next tick makes the same figures again.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { newId } from '../../../kernel/ids.ts';
import { recordedMs } from '../../../kernel/recorded.ts';
import type { MonitorDefinition } from '../../projects/public.ts';
import type { Finding, MonitorState, NewFinding, Window } from '../model.ts';
import * as monitors from '../store/monitors.ts';
import { insertFindings, insertWindow } from '../store/windows.ts';

/** A window with its figures, not written yet. */
export interface Closing {
  readonly monitor: MonitorDefinition;
  readonly window: Omit<Window, 'id' | 'recordedMs' | 'findings' | 'latest'>;
  readonly findings: readonly NewFinding[];
  /** Counts on the baseline's bins, which add up to those of longer spans. */
  readonly sketch: unknown;
  /** Id of the registered version that led, if there is one. */
  readonly versionId: string | null;
}

/** The state of a monitor as it was read, and as it is after these windows. */
export interface Moved {
  readonly from: MonitorState;
  readonly to: MonitorState;
}

/** Writes windows in the order given. Raises an Error if another tick was quicker: this one is done again. */
export async function closeWindows(ctx: Ctx, closings: readonly Closing[], moved: readonly Moved[]): Promise<void> {
  if (closings.length === 0 && moved.length === 0) return;
  failpoint('monitoring.before-closed');
  await ctx.tx(async (tx) => {
    for (const { from, to } of moved)
      if (!(await monitors.updateState(tx.db, tx.workspace, from, to)))
        throw new Error(`monitor ${from.monitor} was moved on by another tick`);
    for (const closing of closings) await writeOne(tx, closing);
  });
  failpoint('monitoring.after-closed');
}

async function writeOne(tx: Ctx, { monitor, window, findings, sketch, versionId }: Closing): Promise<void> {
  const id = newId('win', tx.ids);
  const now = recordedMs(tx);
  const written = { ...window, id, latest: true, findings: findings.length, recordedMs: now };
  if (!(await insertWindow(tx.db, tx.workspace, written, sketch)))
    throw new Error(`window ${window.fromUs} of ${monitor.name} is there already`);
  const rows = findings.map((f): Finding => ({
    ...f,
    id: newId('fnd', tx.ids),
    project: window.project,
    monitor: monitor.name,
    window: id,
    fromUs: window.fromUs,
    toUs: window.toUs,
    recordedMs: now,
  }));
  await insertFindings(tx.db, tx.workspace, rows);
  const self = { kind: 'window', id };
  const edge = (from: Edge['from'], kind: string, to: string, relation: string): Edge => ({ from, to: { kind, id: to }, relation });
  await tx.emit({
    type: 'window.closed',
    subject: self,
    label: `${monitor.name} ${window.kind} ${new Date(window.fromUs / 1000).toISOString().slice(0, 16)}${window.generation > 1 ? `, generation ${window.generation}` : ''}`,
    project: window.project,
    payload: {
      monitor: monitor.name,
      endpoint: monitor.endpoint,
      kind: window.kind,
      fromUs: window.fromUs,
      toUs: window.toUs,
      generation: window.generation,
      n: window.n,
      version: window.lead,
      findings: findings.length,
    },
    edges: [
      edge(self, 'monitor', `${window.project}/${monitor.name}`, 'window-of'),
      ...(monitor.endpoint === null ? [] : [edge(self, 'endpoint', monitor.endpoint, 'observes')]),
      ...(versionId === null ? [] : [edge(self, 'model-version', versionId, 'compares-with')]),
    ],
    occurredUs: window.closedUs,
  });
  for (const f of rows)
    await tx.emit({
      type: 'finding.recorded',
      subject: { kind: 'finding', id: f.id },
      label: `${f.kind}${f.subject === '' ? '' : ` of ${f.subject}`} in ${monitor.name}`,
      project: window.project,
      payload: {
        monitor: monitor.name,
        kind: f.kind,
        subject: f.subject,
        method: f.method,
        value: f.value,
        threshold: f.threshold,
        n: f.n,
        window: id,
      },
      edges: [edge({ kind: 'finding', id: f.id }, 'window', id, 'found-in')],
      occurredUs: window.closedUs,
    });
}
