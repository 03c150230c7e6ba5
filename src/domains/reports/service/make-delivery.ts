// The delivery metrics of a project, from its events.
import type { Ctx } from '../../../kernel/ctx.ts';
import { currentRevision } from '../../projects/public.ts';
import { getVersion } from '../../registry/public.ts';
import { deliveryOf, type Delivery } from '../documents/delivery.ts';
import { listEvents } from '../documents/queries.ts';
import { fail } from '../errors.ts';
import { requireReadable } from './require-readable.ts';

const DAY_US = 86_400_000_000;
/** DORA looks at three months. */
const DEFAULT_US = 90 * DAY_US;
const FAIL_WITHIN_US = 7 * DAY_US;

export interface DeliveryAsked {
  readonly endpoint?: string | undefined;
  readonly fromUs?: number | undefined;
  readonly toUs?: number | undefined;
}

/** Raises `project-not-found`, `report-endpoint-missing`. */
export async function makeDelivery(ctx: Ctx, project: string, asked: DeliveryAsked): Promise<Delivery> {
  const { definition } = await currentRevision(ctx, project);
  const names = Object.keys(definition.endpoints).filter((e) => asked.endpoint === undefined || e === asked.endpoint);
  if (asked.endpoint !== undefined && names.length === 0) fail('report-endpoint-missing', { project, endpoint: asked.endpoint });
  requireReadable(ctx, project, definition, { datasets: [], endpoints: names });
  const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  const toUs = asked.toUs ?? nowUs + 1;
  const events = await listEvents(ctx.db, ctx.workspace, project, [
    'release',
    'alert',
    'trigger',
    'pipeline-run',
    'model-version',
    'project-revision',
  ]);
  const versions = new Set(
    events.flatMap((e) => (e.subject.kind === 'release' && typeof e.payload.version === 'string' ? [e.payload.version] : [])),
  );
  const cutoffs = new Map<string, number>();
  for (const id of versions) {
    const { trainingCutoffUs } = (await getVersion(ctx, id)).evidence;
    if (trainingCutoffUs !== undefined) cutoffs.set(id, trainingCutoffUs);
  }
  const watching = (endpoint: string): string[] =>
    Object.values(definition.monitors)
      .filter((m) => m.endpoint === endpoint)
      .map((m) => m.name);
  return deliveryOf({
    project,
    fromUs: asked.fromUs ?? toUs - DEFAULT_US,
    toUs,
    endpoints: new Map(names.map((e) => [e, watching(e)])),
    events,
    cutoffs,
    failWithinUs: FAIL_WITHIN_US,
  });
}
