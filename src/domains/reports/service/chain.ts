// One prediction and what it was made from.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { whyPrediction } from '../../lineage/public.ts';
import { chainOf } from '../chain.ts';
import type { ChainView, LiveView } from '../model.ts';
import type { LiveFound } from './live.ts';

/** Raises `prediction-not-found` for one that was asked for by name. */
export async function describeChain(
  ctx: Ctx,
  project: string,
  asked: string | undefined,
  { example, live }: LiveFound,
): Promise<ChainView | { absent: string }> {
  const id = asked ?? example?.id;
  if (id === undefined) return { absent: 'There is no prediction to trace yet.' };
  try {
    const { prediction, graph } = await whyPrediction(ctx, id, project);
    return {
      prediction: {
        id,
        atUs: prediction.eventTimeUs,
        score: prediction.score,
        outcome: example?.id === id && 'label' in live ? outcomeText(example.label, live) : null,
        request: Object.entries(prediction.request).map(([name, value]) => [name, value === null ? 'missing' : String(value)]),
      },
      ...chainOf(graph),
    };
  } catch (error) {
    // Shipped segments outlive the data plane's own files.
    if (asked === undefined && isProblem(error) && error.code === 'prediction-not-found')
      return { absent: `The log of the data plane that answered ${id} is no longer here.` };
    throw error;
  }
}

const outcomeText = (value: number, { task, label }: LiveView): string =>
  task === 'regression' ? `${label} was ${value}` : `${label} ${value === 1 ? 'came true' : 'did not come true'}`;
