// Gathers what the other domains know of a project into one report.
import type { Ctx } from '../../../kernel/ctx.ts';
import {
  describeDatasets,
  getVersion as getDatasetVersion,
  personalColumns,
  stageFiles,
  type DatasetDescription,
} from '../../datasets/public.ts';
import {
  currentRevision,
  monitorOfEndpoint,
  type EndpointDefinition,
  type MonitorDefinition,
  type Revision,
} from '../../projects/public.ts';
import { findDecision, getEvaluation, getVersion, type Evaluation, type ModelVersion } from '../../registry/public.ts';
import { findCurrentEndpointRevision } from '../../releases/public.ts';
import { datasetView, histogramColumns } from '../data-view.ts';
import { fail } from '../errors.ts';
import { evaluationView, gateView, modelView } from '../model-view.ts';
import type { CommandRow, DatasetView, Report } from '../model.ts';
import { queryHistograms } from '../queries.ts';
import { evaluationStepOf } from '../truth.ts';
import { describeChain } from './chain.ts';
import { describeLoop } from './loop.ts';
import { describeLive, type LiveAsked } from './live.ts';
import { requireReadable } from './require-readable.ts';

const NO_ENDPOINT = 'The project declares no endpoint.';
const SERVED_ELSEWHERE =
  'The model is served elsewhere: what became of its predictions is in the windows of its monitor, under “The loop”.';
const ALL_TIME = { fromUs: Number.MIN_SAFE_INTEGER, toUs: Number.MAX_SAFE_INTEGER };

export interface ReportAsked extends LiveAsked {
  readonly endpoint: string | undefined;
  readonly prediction: string | undefined;
}

/**
 * Raises `project-not-found`, `report-endpoint-missing`, `report-truth-unclear`, `prediction-not-found`, and
 * compute's problems for expressions that the caller gave.
 */
export async function makeReport(ctx: Ctx, project: string, asked: ReportAsked): Promise<Report> {
  const revision = await currentRevision(ctx, project);
  const { definition } = revision;
  requireReadable(ctx, project, definition);
  const name = asked.endpoint ?? Object.keys(definition.endpoints)[0];
  const endpoint = name === undefined ? undefined : definition.endpoints[name];
  const elsewhere = endpoint ? undefined : monitorElsewhere(definition.monitors, asked.endpoint);
  if (asked.endpoint !== undefined && !endpoint && !elsewhere) fail('report-endpoint-missing', { project, endpoint: asked.endpoint });
  const described = await describeDatasets(ctx, revision);
  const served = endpoint ? await servedBy(ctx, revision, endpoint) : null;
  const live = endpoint
    ? await describeLive(ctx, revision, endpoint, served?.version ?? null, described, asked)
    : { live: { absent: elsewhere ? SERVED_ELSEWHERE : NO_ENDPOINT }, example: null };
  const monitor = endpoint ? monitorOfEndpoint(definition.monitors, endpoint.name) : elsewhere;
  const personal = new Set([...(await personalColumns(ctx, revision)), ...Object.values(definition.subjects).flat()]);
  return {
    project,
    description: definition.description,
    revision: { id: revision.id, number: revision.number },
    madeMs: ctx.clock.now(),
    endpoint: endpoint?.name ?? null,
    elsewhere: elsewhere?.name ?? null,
    model: served ? modelView(served.version, definition.models[served.version.model]?.description ?? '') : null,
    datasets: await Promise.all(described.map((d) => drawn(ctx, d, personal))),
    evaluation: served?.evaluation
      ? evaluationView(
          served.evaluation,
          (await getDatasetVersion(ctx, served.evaluation.datasetVersion)).dataset,
          evaluationStepOf(definition, served.version.model)?.spine.label ?? null,
        )
      : null,
    gate: served ? await gateOf(ctx, served) : null,
    live: live.live,
    chain: await describeChain(ctx, project, asked.prediction, live),
    loop: monitor
      ? await describeLoop(ctx, revision, monitor, { ...ALL_TIME, ...asked.window })
      : {
          absent: endpoint ? `No monitor watches the endpoint ${endpoint.name}: declare one under "monitors" in gyre.yaml.` : NO_ENDPOINT,
        },
    commands: commandsOf(revision, endpoint, elsewhere, asked.prediction ?? live.example?.id),
  };
}

export interface Served {
  readonly version: ModelVersion;
  readonly decision: string;
  readonly evaluation: Evaluation | null;
}

async function servedBy(ctx: Ctx, revision: Revision, endpoint: EndpointDefinition): Promise<Served | null> {
  const current = await findCurrentEndpointRevision(ctx.db, ctx.workspace, revision.project, endpoint.name);
  // Of several variants the one with the most traffic is the model in service.
  const variant = current && [...current.variants].sort((a, b) => b.weight - a.weight)[0];
  if (!variant) return null;
  const version = await getVersion(ctx, variant.versionId);
  const { evaluation } = version.evidence;
  return { version, decision: current.decision, evaluation: evaluation === undefined ? null : await getEvaluation(ctx, evaluation) };
}

async function gateOf(ctx: Ctx, { version, evaluation }: Served): Promise<Report['gate']> {
  const decision = await findDecision(ctx, version);
  return decision ? gateView(decision, evaluation) : null;
}

async function drawn(ctx: Ctx, d: DatasetDescription, personal: ReadonlySet<string>): Promise<DatasetView> {
  const files = await stageFiles(
    ctx,
    d.files.map((f) => f.digest),
  );
  return datasetView(d, await queryHistograms(ctx, d.definition.name, { files }, histogramColumns(d.version.profile, personal)), personal);
}

/** The monitor of that name, else the first, of those that watch a model served elsewhere. */
const monitorElsewhere = (monitors: Revision['definition']['monitors'], name: string | undefined): MonitorDefinition | undefined =>
  Object.values(monitors).find((m) => m.endpoint === null && (name === undefined || m.name === name));

function commandsOf(
  { definition }: Revision,
  endpoint: EndpointDefinition | undefined,
  elsewhere: MonitorDefinition | undefined,
  prediction: string | undefined,
): CommandRow[] {
  const pipeline = Object.keys(definition.pipelines)[0];
  const dataset = Object.values(definition.datasets).find((d) => d.sql === null)?.name;
  return [
    { command: 'gyre status', what: 'the processes, their addresses and the endpoints' },
    ...(pipeline ? [{ command: `gyre run ${pipeline}`, what: 'train again; unchanged steps come from the cache' }] : []),
    ...(pipeline ? [{ command: 'gyre why run RUN', what: 'why each step of a run was done again' }] : []),
    ...(endpoint ? [{ command: `gyre models versions ${endpoint.model}`, what: 'versions with their gate decisions' }] : []),
    ...(endpoint ? [{ command: `gyre models card ${endpoint.model}`, what: 'the model card, in Markdown' }] : []),
    ...(endpoint
      ? [{ command: `gyre release ${endpoint.name} latest`, what: 'put the newest version that passed its gate into service' }]
      : []),
    ...(elsewhere ? [{ command: `gyre monitor windows ${elsewhere.name}`, what: 'each window with its figures' }] : []),
    ...(prediction ? [{ command: `gyre why prediction ${prediction}`, what: 'the chain behind that prediction, on the terminal' }] : []),
    ...(dataset ? [{ command: `gyre lineage dataset ${dataset}`, what: 'the other direction: what was made from this data' }] : []),
    { command: 'gyre report', what: 'this page again, as things stand then' },
  ];
}
