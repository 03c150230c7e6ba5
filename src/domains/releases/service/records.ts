// The files that a staged release is judged by.
import type { Ctx } from '../../../kernel/ctx.ts';
import { stageFiles } from '../../datasets/public.ts';
import { joinedFiles } from '../../feedback/public.ts';
import { monitorOfEndpoint, type ProjectDefinition } from '../../projects/public.ts';
import { inferenceFiles, shadowsOf } from '../../serving/public.ts';

export interface EndpointSpan {
  readonly project: string;
  readonly endpoint: string;
  readonly fromUs: number;
  readonly toUs: number;
}

export const recordFiles = async (ctx: Ctx, span: EndpointSpan): Promise<string[]> =>
  stageFiles(
    ctx,
    (await inferenceFiles(ctx, span)).map((f) => f.digest),
  );

/** Copies that shadows answered; as `recordFiles`, with the id of the prediction in "shadowOf". */
export const shadowFiles = (ctx: Ctx, { endpoint, ...span }: EndpointSpan): Promise<string[]> =>
  recordFiles(ctx, { ...span, endpoint: shadowsOf(endpoint) });

/** Labels of the endpoint's predictions; none where no monitor brings them. */
export async function labelledFiles(ctx: Ctx, definition: ProjectDefinition, { endpoint, ...span }: EndpointSpan): Promise<string[]> {
  const monitor = monitorOfEndpoint(definition.monitors, endpoint);
  if (!monitor) return [];
  const files = await joinedFiles(ctx, { ...span, monitor: monitor.name });
  return stageFiles(ctx, [...new Set(files.map((f) => f.digest))]);
}
