// Two versions on the same rows: those of the candidate's evaluation, with which the champion is scored once, too.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { improvement } from '../../../stats/difference.ts';
import { isMetricName } from '../../../stats/metrics.ts';
import { seenInTraining } from '../gates.ts';
import type { Evaluation, ModelVersion, PairedDifference } from '../model.ts';
import { evaluateOnSameRows, scoresOf } from './evaluate.ts';

export type Compared =
  | {
      readonly ok: true;
      /** Of the champion, on the candidate's rows. */
      readonly evaluation: Evaluation;
      /** Improvement of the candidate by a metric, with an interval. */
      readonly difference: (metric: string, confidence: number) => PairedDifference;
    }
  | { readonly ok: false; readonly reason: string };

/** Scores `holder` on the rows of `evaluation`, if that says anything about the two. */
export async function compareVersions(ctx: Ctx, evaluation: Evaluation, version: ModelVersion, holder: ModelVersion): Promise<Compared> {
  const refuse = (reason: string): Compared => ({ ok: false, reason });
  const seen = seenInTraining(evaluation, [version, holder]);
  if (seen) return refuse(seen);
  if (holder.state !== 'sealed' || holder.loggedModelId === null) return refuse('the champion is not sealed, so it cannot be scored');
  let theirs: Evaluation;
  try {
    theirs = await evaluateOnSameRows(ctx, evaluation, holder.loggedModelId);
  } catch (error) {
    if (!isProblem(error)) throw error;
    return refuse(`the champion could not be scored on these rows: ${error.message}`);
  }
  const [mine, other] = [await scoresOf(ctx, evaluation), await scoresOf(ctx, theirs)];
  // Both were scored on one table in one order; a table that says otherwise is not compared.
  if (mine.length !== other.length || mine.some((row, i) => row.rowKey !== other[i]!.rowKey))
    return refuse('the two score tables are not of the same rows');
  const pick = (rows: typeof mine, what: 'label' | 'score'): Float64Array => Float64Array.from(rows, (row) => row[what]);
  const [labels, scores, baseline] = [pick(mine, 'label'), pick(mine, 'score'), pick(other, 'score')];
  return {
    ok: true,
    evaluation: theirs,
    difference: (metric, confidence) =>
      isMetricName(metric)
        ? improvement(metric, labels, scores, baseline, confidence)
        : { ok: false, reason: `there is no metric ${metric}` },
  };
}
