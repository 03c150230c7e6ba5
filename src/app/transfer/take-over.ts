// Takes a whole source over: experiment by experiment, run by run, each noted as done when all of it has arrived, so that
// a command that was killed goes on there. In the end both sides are compared.
import { sourceIdentity } from '../../domains/transfers/public.ts';
import { Experiments } from './experiments.ts';
import type { TakeOverOptions } from './names.ts';
import { takeModels } from './registered-models.ts';
import type { Source } from './source.ts';
import { newState, totals, type Report } from './tally.ts';
import type { Target } from './target.ts';
import { compareAll } from './verify.ts';

/** Without a target nothing is written: what would be is counted. */
export async function takeOver(source: Source, target: Target | undefined, options: TakeOverOptions): Promise<Report> {
  const began = performance.now();
  const found = await source.experiments();
  const identity = source.identity ?? `${source.origin}:${sourceIdentity(found)}`;
  await target?.begin(identity, source.origin, source.place);
  const state = newState();
  const experiments = new Experiments(source, target, options, state);
  for (const experiment of found) await experiments.take(experiment);
  const registered = await takeModels(source, target, options, state);
  if (target) await compareAll(target, state, options.progress);
  const differences = [
    ...source.faults,
    ...state.differences,
    ...state.tallies.flatMap((t) => t.differences.map((d) => `${t.name}: ${d}`)),
  ];
  const verified = target !== undefined && differences.length === 0;
  const { bytes, files, loggedModels, params, points, runs, tags } = totals(state.tallies, 'source');
  const counts = { experiments: found.length, runs, params, tags, points, loggedModels, files, bytes };
  await target?.end(verified, { ...counts, models: registered.source, versions: registered.versions });
  return {
    import: target?.id ?? null,
    from: source.place,
    dryRun: target === undefined,
    verified,
    experiments: state.tallies,
    models: registered,
    unchanged: state.unchanged,
    leftOut: await source.leftOut(),
    differences,
    notes: [...state.notes],
    elapsedMs: Math.round(performance.now() - began),
  };
}
