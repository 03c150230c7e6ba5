// Scoring a dataset that somebody asks for by itself: a run of one step, cached, resumed and cancelled as any other.
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail as failAny } from '../../../kernel/errors.ts';
import type { Job } from '../../../kernel/jobs/jobs.ts';
import { momentUs } from '../../features/public.ts';
import { currentVersion, getVersion, versionByNumber } from '../../datasets/public.ts';
import { currentRevision, endpointOfModel, type PredictStep } from '../../projects/public.ts';
import { findVersion, versionFolder } from '../../registry/public.ts';
import { fail } from '../errors.ts';
import type { Run } from '../store/runs.ts';
import { startRun } from './start-run.ts';

export interface StartPredict {
  readonly project: string;
  readonly dataset: string;
  /** Number or id of a version; absent = the current one. */
  readonly datasetVersion?: string;
  readonly model: string;
  /** Number, alias or "latest". */
  readonly modelVersion: string;
  readonly into: string;
  readonly columns: readonly string[];
  readonly features?: string;
  readonly endpoint?: string;
  readonly at?: string;
  readonly where?: string;
  readonly between?: readonly [string, string];
  readonly monitor?: string;
  readonly purpose?: string;
  readonly noCache: boolean;
  readonly reason?: string;
}

/** Says what is wrong before a run begins. Raises `not-found`, `model-version-not-found`, `version-unsealed`, `dataset-empty`, `predictions-not-there`, `parameter-invalid`, and what `startRun` raises. */
export async function startPredict(ctx: Ctx, asked: StartPredict, advance: Job<{ runId: string }>): Promise<Run> {
  const { definition } = await currentRevision(ctx, asked.project);
  const known = (kind: string, name: string, among: object): string =>
    Object.hasOwn(among, name) ? name : failAny('not-found', { kind, id: name });
  known('dataset', asked.dataset, definition.datasets);
  const target = Object.hasOwn(definition.datasets, asked.into) ? definition.datasets[asked.into] : undefined;
  if (asked.into === asked.dataset || (target && (target.source.length > 0 || target.sql !== null)))
    fail('predictions-not-there', { dataset: asked.into });
  const version = await findVersion(ctx, asked.model, asked.modelVersion);
  await versionFolder(ctx, version);
  const rows = await versionAsked(ctx, asked);
  const endpoint =
    asked.endpoint === undefined
      ? endpointOfModel(asked.model, definition.endpoints)
      : known('endpoint', asked.endpoint, definition.endpoints);
  const service =
    asked.features === undefined
      ? endpoint === null
        ? null
        : definition.endpoints[endpoint]!.service
      : known('feature service', asked.features, definition.services);
  if (asked.monitor !== undefined && definition.monitors[known('monitor', asked.monitor, definition.monitors)]!.endpoint !== null)
    fail('parameter-invalid', { name: 'monitor', why: `monitor "${asked.monitor}" watches an endpoint; scores go to one without.` });
  const [from, to] = asked.between ?? [];
  if (from !== undefined && to !== undefined && momentUs('"from"', from) >= momentUs('"to"', to))
    fail('parameter-invalid', { name: 'between', why: `${from} is not before ${to}.` });
  const moment = asked.at ?? definition.datasets[asked.dataset]!.occurredAt;
  if (moment === null && (service !== null || asked.between))
    fail('parameter-invalid', {
      name: 'at',
      why: `dataset "${asked.dataset}" has no "occurred_at", so say which expression is a row's moment.`,
    });
  const step: PredictStep = {
    kind: 'predict',
    name: 'scores',
    needs: [],
    model: asked.model,
    version: String(version.number),
    on: {
      kind: 'dataset',
      spine: false,
      dataset: asked.dataset,
      service,
      at: asked.at ?? null,
      where: asked.where ?? null,
      between: asked.between ?? null,
    },
    endpoint,
    into: asked.into,
    columns: asked.columns,
    monitor: asked.monitor ?? null,
  };
  return startRun(
    ctx,
    {
      project: asked.project,
      // No pipeline can have this name.
      pipeline: `predict:${asked.into}`,
      params: {},
      ownSteps: [step],
      datasets: { [asked.dataset]: rows },
      purpose: asked.purpose ?? null,
      noCache: asked.noCache,
      trigger: { kind: 'api', reason: asked.reason ?? 'asked for' },
    },
    advance,
  );
}

async function versionAsked(ctx: Ctx, { project, dataset, datasetVersion: which }: StartPredict): Promise<string> {
  if (which === undefined) return (await currentVersion(ctx, project, dataset)).id;
  if (/^\d{1,9}$/.test(which)) return (await versionByNumber(ctx, project, dataset, Number(which))).id;
  const found = await getVersion(ctx, which);
  return found.project === project && found.dataset === dataset
    ? found.id
    : failAny('not-found', { kind: `version of dataset ${dataset}`, id: which });
}
