// The files that a staged release is judged by.
import type { Ctx } from '../../../kernel/ctx.ts';
import { stageFiles } from '../../datasets/public.ts';
import type { ProjectDefinition } from '../../projects/public.ts';
import { inferenceFiles } from '../../serving/public.ts';

export interface EndpointSpan {
  readonly project: string;
  readonly endpoint: string;
  readonly fromUs: number;
  readonly toUs: number;
}

/** The monitor whose labels tell outcomes of an endpoint: the first by name of those that watch it. */
export const monitorOf = ({ monitors }: ProjectDefinition, endpoint: string): string | undefined =>
  Object.values(monitors)
    .filter((m) => m.endpoint === endpoint)
    .map((m) => m.name)
    .sort()[0];

export const recordFiles = async (ctx: Ctx, span: EndpointSpan): Promise<string[]> =>
  stageFiles(
    ctx,
    (await inferenceFiles(ctx, span)).map((f) => f.digest),
  );

export const labelledFiles = async (_ctx: Ctx, _definition: ProjectDefinition, _span: EndpointSpan): Promise<string[]> => [];
