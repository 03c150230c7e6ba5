// What the events tell for the record of processing.
import type { Db } from '../../kernel/db/database.ts';
import { eventsIn } from '../../kernel/events/events.ts';

export interface RunsOfPipeline {
  readonly runs: number;
  readonly lastMs: number;
}

/** Runs of each pipeline of a project, by its name, from the events of their starts. */
export async function countRuns(db: Db, workspace: string, project: string): Promise<Map<string, RunsOfPipeline>> {
  const rows = await eventsIn(db)
    .selectFrom('events')
    .select(['label', 'recorded_ms'])
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('type', '=', 'pipeline-run.started')
    .orderBy('recorded_ms')
    .execute();
  const found = new Map<string, RunsOfPipeline>();
  for (const { label, recorded_ms } of rows) {
    const name = (label ?? '').replace(/ run \d+$/, '');
    found.set(name, { runs: (found.get(name)?.runs ?? 0) + 1, lastMs: recorded_ms });
  }
  return found;
}
