// Imports: begun, resumed and ended, and what the things of a source have become here.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { newId } from '../../../kernel/ids.ts';
import { modelExists } from '../../registry/public.ts';
import { existing, freeIds } from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import type { Import, ImportKind } from '../model.ts';
import * as store from '../store.ts';

export interface Begun {
  readonly source: string;
  readonly origin: 'mlflow' | 'gyre';
  readonly place: string;
}

/** Begins an import, or goes on with the one of this source that was cut short. */
export const beginImport = (ctx: Ctx, { source, origin, place }: Begun): Promise<Import> =>
  ctx.tx(async (tx) => {
    const running = await store.findRunning(tx.db, tx.workspace, source);
    if (running) return running;
    const begun: Import = {
      id: newId('imp', tx.ids),
      source,
      origin,
      place,
      state: 'running',
      counts: {},
      startedMs: tx.clock.now(),
      endedMs: null,
    };
    await store.insertImport(tx.db, tx.workspace, begun);
    const self = { kind: 'import', id: begun.id };
    await tx.emit({
      type: 'import.begun',
      subject: self,
      label: `import from ${place}`,
      payload: { source, origin },
      edges: [{ from: self, to: { kind: 'import-source', id: source }, relation: 'source' }],
    });
    return begun;
  });

/** Raises `import-not-found`. */
export const getImport = async (ctx: Ctx, id: string): Promise<Import> =>
  (await store.getImport(ctx.db, ctx.workspace, id)) ?? fail('import-not-found', { id });

/** Raises `import-not-found`, `import-ended`. */
export async function runningImport(ctx: Ctx, id: string): Promise<Import> {
  const found = await getImport(ctx, id);
  return found.state === 'running' ? found : fail('import-ended', { id });
}

/** Ends it with what it brought. Raises `import-not-found`, `import-ended`. */
export const endImport = (ctx: Ctx, id: string, verified: boolean, counts: Import['counts']): Promise<Import> =>
  ctx.tx(async (tx) => {
    await runningImport(tx, id);
    const state = verified ? 'verified' : 'differs';
    await store.endImport(tx.db, tx.workspace, id, state, counts, tx.clock.now());
    await tx.emit({ type: 'import.ended', subject: { kind: 'import', id }, payload: { state, counts } });
    return getImport(tx, id);
  });

/** Every thing that came in refers to the import it came by. */
export const byImport = (of: Import): Edge[] => [
  { from: { kind: '', id: '' }, to: { kind: 'import', id: of.id }, relation: 'imported-by' },
];

export interface Became {
  readonly sourceId: string;
  readonly targetId: string;
  /** Of the source when all of it had arrived; null before. */
  readonly fingerprint: string | null;
}

const isThere = async (ctx: Ctx, kind: ImportKind, ids: readonly string[]): Promise<Set<string>> => {
  if (kind !== 'model') return existing(ctx, kind, ids);
  const there = await Promise.all(ids.map(async (id) => ((await modelExists(ctx, id)) ? [id] : [])));
  return new Set(there.flat());
};

/**
 * What these runs or logged models of the source have become, or are to become: their own ids where nobody has them. Of
 * what was removed here since, nothing is known any more but its id. Raises `import-not-found`, `import-ended`.
 */
export const becameOf = (ctx: Ctx, importId: string, kind: ImportKind, ids: readonly string[]): Promise<Became[]> =>
  ctx.tx(async (tx) => {
    const { source } = await runningImport(tx, importId);
    const known = new Map((await store.findIds(tx.db, tx.workspace, source, kind, ids)).map((r) => [r.source_id, r]));
    const there = await isThere(
      tx,
      kind,
      [...known.values()].map((r) => r.target_id),
    );
    if (kind === 'run' || kind === 'logged-model') {
      const fresh = await freeIds(
        tx,
        kind,
        [...new Set(ids)].filter((id) => !known.has(id)),
      );
      const rows = [...fresh].map(([source_id, target_id]) => ({
        workspace_id: tx.workspace,
        source,
        kind,
        source_id,
        target_id,
        fingerprint: null,
      }));
      await store.putIds(tx.db, rows);
      for (const row of rows) known.set(row.source_id, row);
    }
    return [...new Set(ids)].flatMap((id) => {
      const row = known.get(id);
      return row ? [{ sourceId: id, targetId: row.target_id, fingerprint: there.has(row.target_id) ? row.fingerprint : null }] : [];
    });
  });

/** Notes that all of these has arrived. */
export const markDone = (
  ctx: Ctx,
  importId: string,
  kind: ImportKind,
  items: readonly { sourceId: string; fingerprint: string }[],
): Promise<void> =>
  ctx.tx(async (tx) => {
    const { source } = await runningImport(tx, importId);
    const of = new Map(items.map((i) => [i.sourceId, i.fingerprint]));
    const rows = await store.findIds(tx.db, tx.workspace, source, kind, [...of.keys()]);
    await store.putIds(
      tx.db,
      rows.map((r) => ({ ...r, fingerprint: of.get(r.source_id)! })),
    );
  });

/** Raises `import-foreign` unless all of these came from the source of the import. */
export async function requireOwn(tx: Ctx, of: Import, kind: ImportKind, targetIds: readonly string[]): Promise<void> {
  const own = new Set((await store.findTargets(tx.db, tx.workspace, of.source, kind, targetIds)).map((r) => r.target_id));
  const foreign = targetIds.find((id) => !own.has(id));
  if (foreign !== undefined) fail('import-foreign', { kind, id: foreign });
}
