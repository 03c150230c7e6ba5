// Batches of an import on their way into tracking and the registry.
import type { Ctx } from '../../../kernel/ctx.ts';
import {
  experimentNamed,
  getExperiment,
  retakeExperiment,
  sealTaken,
  takeExperiment,
  takeLoggedModel,
  takePoints,
  takeRuns,
  type TakenExperiment,
  type TakenLoggedModel,
  type TakenRun,
} from '../../tracking/public.ts';
import { modelExists, takeAliases, takeModel, takeVersion, versionNumbered, type TakenModel } from '../../registry/public.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';
import * as store from '../store.ts';
import { byImport, requireOwn, runningImport } from './imports.ts';

const DEFAULT = '0';

/**
 * Makes an experiment, or finds what it became before. "Default" is the one that every workspace has. Raises
 * `import-name-taken`.
 */
export async function takeOneExperiment(ctx: Ctx, importId: string, e: TakenExperiment & { readonly into: boolean }): Promise<string> {
  const of = await runningImport(ctx, importId);
  await getExperiment(ctx, DEFAULT);
  return ctx.tx(async (tx) => {
    const note = (target: string) =>
      store.putIds(tx.db, [
        { workspace_id: tx.workspace, source: of.source, kind: 'experiment', source_id: e.id, target_id: target, fingerprint: null },
      ]);
    const [known] = await store.findIds(tx.db, tx.workspace, of.source, 'experiment', [e.id]);
    const before = known ? await found(getExperiment(tx, known.target_id)) : undefined;
    if (before) {
      if (!e.into) await retakeExperiment(tx, before.id, e);
      return before.id;
    }
    if (e.into) {
      const target = await experimentNamed(tx, e.name);
      await note(target);
      return target;
    }
    if (e.id === DEFAULT && e.name === 'Default') {
      await retakeExperiment(tx, DEFAULT, e);
      await note(DEFAULT);
      return DEFAULT;
    }
    const { into: _, ...rest } = e;
    try {
      const made = await takeExperiment(tx, rest, byImport(of));
      await note(made.id);
      return made.id;
    } catch (error) {
      if (isProblem(error, 'experiment-exists')) return fail('import-name-taken', { kind: 'experiment', name: e.name });
      throw error;
    }
  });
}

async function found<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isProblem(error)) return undefined;
    throw error;
  }
}

/** Rows of one transaction: others who write wait for it, some tens of milliseconds. */
const MOST_ROWS = 2000;
const rowsOf = (r: TakenRun): number => 1 + r.params.length + r.tags.length + r.inputs.length + r.models.length;

/** In their order, so that no part has more than `most`, unless it is one item alone. */
export function inParts<T>(items: readonly T[], sizeOf: (item: T) => number, most: number): T[][] {
  const parts: T[][] = [];
  let size = Infinity;
  for (const item of items) {
    size += sizeOf(item);
    if (size > most) {
      parts.push([]);
      size = sizeOf(item);
    }
    parts.at(-1)!.push(item);
  }
  return parts;
}

/**
 * Runs of one experiment of this import, with one event for all that are written together. Whoever sends them again after
 * a part of them arrived writes the same. Raises `import-foreign`.
 */
export async function takeSomeRuns(ctx: Ctx, importId: string, experimentId: string, runs: readonly TakenRun[]): Promise<void> {
  const parts = inParts(runs, rowsOf, MOST_ROWS);
  for (const part of parts.length === 0 ? [[]] : parts)
    await ctx.tx(async (tx) => {
      const of = await runningImport(tx, importId);
      await requireOwn(tx, of, 'experiment', [experimentId]);
      const ids = part.map((r) => r.id);
      await requireOwn(tx, of, 'run', ids);
      await takeRuns(tx, experimentId, part);
      await tx.emit({
        type: 'tracking-runs.imported',
        subject: { kind: 'experiment', id: experimentId },
        payload: { import: of.id, runs: part.length },
        edges: ids.map((id) => ({ from: { kind: 'tracking-run', id }, to: { kind: 'import', id: of.id }, relation: 'imported-by' })),
      });
    });
}

const numberOf = (value: number | string): number => (typeof value === 'number' ? value : Number(value));

const MOST_POINTS = 50_000;
/** Metrics of one transaction: each takes two rows, and its points are packed. */
const MOST_METRICS = 1000;

/** Points of metrics, some metrics at a time. Raises `import-foreign`, `import-batch-too-large`. */
export async function takeSomePoints(
  ctx: Ctx,
  importId: string,
  metrics: readonly { run: string; key: string; points: readonly (readonly [number, number, number | string])[] }[],
): Promise<void> {
  const sum = metrics.reduce((n, m) => n + m.points.length, 0);
  if (sum > MOST_POINTS) fail('import-batch-too-large', { points: sum, most: MOST_POINTS });
  const parts = inParts(metrics, () => 1, MOST_METRICS);
  for (const part of parts.length === 0 ? [[]] : parts)
    await ctx.tx(async (tx) => {
      const of = await runningImport(tx, importId);
      const byRun = Map.groupBy(part, (m) => m.run);
      await requireOwn(tx, of, 'run', [...byRun.keys()]);
      for (const [run, own] of byRun)
        await takePoints(
          tx,
          run,
          own.flatMap((m) => m.points.map(([timestampMs, step, value]) => ({ key: m.key, timestampMs, step, value: numberOf(value) }))),
        );
    });
}

export type WireLoggedModel = Omit<TakenLoggedModel, 'metrics'> & {
  readonly metrics: readonly (Omit<TakenLoggedModel['metrics'][number], 'value'> & { readonly value: number | string })[];
};

/** Raises `import-foreign`. */
export const takeOneLoggedModel = (ctx: Ctx, importId: string, m: WireLoggedModel): Promise<void> =>
  ctx.tx(async (tx) => {
    const of = await runningImport(tx, importId);
    await requireOwn(tx, of, 'experiment', [m.experimentId]);
    await requireOwn(tx, of, 'logged-model', [m.id]);
    await takeLoggedModel(tx, { ...m, metrics: m.metrics.map((x) => ({ ...x, value: numberOf(x.value) })) });
  });

/** Seals those that are ready, once their files have come. Raises `import-foreign`. */
export async function sealSome(ctx: Ctx, importId: string, ids: readonly string[]): Promise<void> {
  const of = await runningImport(ctx, importId);
  await requireOwn(ctx, of, 'logged-model', ids);
  for (const id of ids) await sealTaken(ctx, id);
}

/** A registered model with some of its versions. Raises `import-name-taken`, `model-name-invalid`. */
export async function takeOneModel(ctx: Ctx, importId: string, sourceName: string, m: TakenModel) {
  const of = await runningImport(ctx, importId);
  await ctx.tx(async (tx) => {
    const [known] = await store.findIds(tx.db, tx.workspace, of.source, 'model', [sourceName]);
    if (known?.target_id !== m.name && (await modelExists(tx, m.name))) fail('import-name-taken', { kind: 'model', name: m.name });
    await takeModel(tx, m, byImport(of));
    await store.putIds(tx.db, [
      { workspace_id: tx.workspace, source: of.source, kind: 'model', source_id: sourceName, target_id: m.name, fingerprint: null },
    ]);
  });
  let [made, sealed] = [0, 0];
  for (const v of m.versions) {
    if ((await takeVersion(ctx, m.name, v)) === 'made') made += 1;
    if ((await versionNumbered(ctx, m.name, v.number)).state === 'sealed') sealed += 1;
  }
  const refused = await takeAliases(ctx, m);
  return { made, sealed, refused };
}
