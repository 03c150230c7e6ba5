// Registered models on their way.
import { isProblem } from '../../kernel/errors.ts';
import type { TakenModel } from '../../domains/registry/public.ts';
import { modelDigest } from '../../domains/transfers/public.ts';
import { sourceHere, type TakeOverOptions } from './names.ts';
import type { Source } from './source.ts';
import type { Report, State } from './tally.ts';
import { inBodies, type Target } from './target.ts';

export async function takeModels(
  source: Source,
  target: Target | undefined,
  options: TakeOverOptions,
  state: State,
): Promise<Report['models']> {
  const sum = { source: 0, target: 0, versions: 0, sealed: 0 };
  for await (const m of source.models()) {
    sum.source += 1;
    sum.versions += m.versions.length;
    options.progress('registered models', sum.source);
    if (!target) continue;
    const whole = { ...m, name: options.names.rename.get(m.name) ?? m.name, versions: await versionsHere(m, target, options) };
    const sealed = await send(m.name, whole, target, state);
    if (sealed === undefined) continue;
    sum.target += 1;
    sum.sealed += sealed;
    state.registered.push({ name: whole.name, record: modelDigest(whole) });
  }
  return sum;
}

/** How many of its versions are sealed; undefined where the server refuses the model. */
async function send(sourceName: string, whole: TakenModel, target: Target, state: State): Promise<number | undefined> {
  let sealed = 0;
  try {
    // The files of each version are read and scanned, so a few at a time; aliases when all of them are there.
    for (const versions of inBodies(whole.versions, 10))
      sealed += (await target.model(sourceName, { ...whole, aliases: [], versions })).sealed;
    const { refused } = await target.model(sourceName, { ...whole, versions: [] });
    for (const { alias, why } of refused) state.differences.push(`alias ${alias} of model ${whole.name} was refused: ${why}`);
    return sealed;
  } catch (error) {
    if (!isProblem(error, 'model-name-invalid') && !isProblem(error, 'import-name-taken')) throw error;
    state.differences.push(error.message);
    return undefined;
  }
}

async function versionsHere(m: TakenModel, target: Target, { artifacts, names }: TakeOverOptions): Promise<TakenModel['versions']> {
  const of = (key: 'trackingRunId' | 'loggedModelId'): string[] => m.versions.flatMap((v) => v[key] ?? []);
  const runs = await target.became('run', of('trackingRunId'));
  const models = await target.became('logged-model', of('loggedModelId'));
  return m.versions.map((v) => ({
    ...v,
    trackingRunId: v.trackingRunId === null ? null : (runs.get(v.trackingRunId)?.targetId ?? v.trackingRunId),
    loggedModelId: v.loggedModelId === null ? null : (models.get(v.loggedModelId)?.targetId ?? v.loggedModelId),
    source: artifacts === 'link' ? v.source : sourceHere(v.source, runs, models, names),
    location: artifacts === 'link' ? v.location : null,
  }));
}
