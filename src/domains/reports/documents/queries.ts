// Read models of the documents: events, SELECT only.
import type { Db } from '../../../kernel/db/database.ts';
import { eventsIn } from '../../../kernel/events/events.ts';
import { toStoredEvent, type StoredEvent } from '../../../kernel/events/subscribers.ts';

const PAGE = 5000;

/** Events about subjects of these kinds, of a project or of none, in their order. */
export async function listEvents(db: Db, workspace: string, project: string, kinds: readonly string[]): Promise<StoredEvent[]> {
  const found: StoredEvent[] = [];
  for (let after = 0; ;) {
    const rows = await eventsIn(db)
      .selectFrom('events')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('seq', '>', after)
      .where('subject_kind', 'in', kinds)
      .where((w) => w.or([w('project', '=', project), w('project', 'is', null)]))
      .orderBy('seq')
      .limit(PAGE)
      .execute();
    found.push(...rows.map(toStoredEvent));
    if (rows.length < PAGE) return found;
    after = rows.at(-1)!.seq!;
  }
}
