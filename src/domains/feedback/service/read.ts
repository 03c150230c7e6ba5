// What other rooms and callers read of labels.
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import type { FeedbackBatch } from '../model.ts';
import * as batches from '../store/batches.ts';
import { listJoined, type JoinedFile } from '../store/joined-files.ts';

export interface OfMonitorAndSpan {
  readonly project: string;
  readonly monitor: string;
  readonly fromUs: number;
  readonly toUs: number;
}

/**
 * Files with labels of predictions made between two event times, both included. Columns: prediction_id VARCHAR, event_us
 * BIGINT, score DOUBLE, label DOUBLE (null = withdrawn), label_at_us BIGINT, accepted_us BIGINT, seq BIGINT, variant
 * VARCHAR, model_version VARCHAR, and the monitor's slice columns as VARCHAR (`slice_<name>` where a name is one of
 * these). Of a prediction the row with the greatest seq counts, whatever file it is in; filter by event_us.
 */
export const joinedFiles = (ctx: Ctx, { fromUs, toUs, ...of }: OfMonitorAndSpan): Promise<JoinedFile[]> =>
  listJoined(ctx.db, ctx.workspace, of, fromUs, toUs);

/** Predictions that got their first label from a batch accepted after a moment of event time. */
export const countLabels = (
  ctx: Ctx,
  { project, monitor, sinceUs }: { project: string; monitor: string; sinceUs: number },
): Promise<number> => batches.sumJoined(ctx.db, ctx.workspace, { project, monitor }, sinceUs);

/** When the newest batch was accepted, in wall time; undefined while there is none. */
export const newestBatchMs = async (ctx: Ctx, of: { project: string; monitor: string }): Promise<number | undefined> =>
  (await batches.listBatches(ctx.db, ctx.workspace, of, Number.MAX_SAFE_INTEGER, 1))[0]?.recordedMs;

/** Raises `feedback-batch-not-found`. */
export const getBatch = async (ctx: Ctx, of: { project: string; monitor: string }, id: string): Promise<FeedbackBatch> =>
  (await batches.findBatch(ctx.db, ctx.workspace, of, id)) ?? fail('feedback-batch-not-found', { monitor: of.monitor, batch: id });
