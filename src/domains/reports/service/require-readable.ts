// A report tells of a whole project in one text, so it is for whoever may read all that it tells of.
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import type { ProjectDefinition } from '../../projects/public.ts';

/** Raises `level-too-low` for the first dataset, model or endpoint that the caller may not read. */
export function requireReadable(
  ctx: Ctx,
  project: string,
  definition: Pick<ProjectDefinition, 'datasets' | 'models' | 'endpoints'>,
  only: Partial<Record<'datasets' | 'models' | 'endpoints', readonly string[]>> = {},
): void {
  for (const name of only.datasets ?? Object.keys(definition.datasets)) requireLevel(ctx, 'dataset', `${project}/${name}`, 'READ');
  for (const name of only.models ?? Object.keys(definition.models)) requireLevel(ctx, 'model', name, 'READ');
  for (const name of only.endpoints ?? Object.keys(definition.endpoints)) requireLevel(ctx, 'endpoint', name, 'READ');
}
