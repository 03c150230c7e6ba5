import type { Db } from '../../../kernel/db/database.ts';
import type { AttemptOutcome } from '../engine.ts';
import type { AttemptState } from '../model.ts';
import { parsed, toText } from './columns.ts';

export interface Attempt {
  readonly id: string;
  readonly runId: string;
  readonly step: string;
  readonly number: number;
  readonly fence: number;
  readonly state: AttemptState;
  /** Relative to the data folder. */
  readonly dir: string;
  readonly outcome: AttemptOutcome | null;
  readonly startedMs: number;
  readonly finishedMs: number | null;
}

type AttemptRow = {
  workspace_id: string;
  id: string;
  run_id: string;
  step: string;
  number: number;
  fence: number;
  state: AttemptState;
  dir: string;
  outcome: string | null;
  started_ms: number;
  finished_ms: number | null;
};
const tablesIn = (db: Db) => db.withTables<{ attempts: AttemptRow }>();

const toAttempt = (r: AttemptRow): Attempt => ({
  id: r.id,
  runId: r.run_id,
  step: r.step,
  number: r.number,
  fence: r.fence,
  state: r.state,
  dir: r.dir,
  outcome: parsed<AttemptOutcome>(r.outcome),
  startedMs: r.started_ms,
  finishedMs: r.finished_ms,
});

export async function listAttempts(db: Db, workspace: string, runId: string, step: string): Promise<Attempt[]> {
  const rows = await tablesIn(db)
    .selectFrom('attempts')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('run_id', '=', runId)
    .where('step', '=', step)
    .orderBy('number')
    .execute();
  return rows.map(toAttempt);
}

export const insertAttempt = (db: Db, workspace: string, a: Attempt) =>
  tablesIn(db)
    .insertInto('attempts')
    .values({
      workspace_id: workspace,
      id: a.id,
      run_id: a.runId,
      step: a.step,
      number: a.number,
      fence: a.fence,
      state: a.state,
      dir: a.dir,
      outcome: null,
      started_ms: a.startedMs,
      finished_ms: null,
    })
    .execute();

export const finishAttempt = (db: Db, workspace: string, id: string, state: AttemptState, outcome: unknown, nowMs: number) =>
  tablesIn(db)
    .updateTable('attempts')
    .set({ state, outcome: toText(outcome), finished_ms: nowMs })
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .where('state', '=', 'running')
    .execute();
