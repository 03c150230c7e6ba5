// The predictions of a window set against the truth, from the shipped inference log.
import type { Ctx } from '../../../kernel/ctx.ts';
import { stageFiles, type DatasetDescription } from '../../datasets/public.ts';
import type { EndpointDefinition, Revision } from '../../projects/public.ts';
import type { ModelVersion } from '../../registry/public.ts';
import { columnsOf as loggedColumns, inferenceFiles } from '../../serving/public.ts';
import { fail } from '../errors.ts';
import { liveView } from '../live.ts';
import { trainingMissing } from '../model-view.ts';
import type { LiveView, Window } from '../model.ts';
import { queryLive } from '../queries.ts';
import { joinedBy, truthOf, type TruthRequest } from '../truth.ts';

const ALL: Window = { fromUs: Number.MIN_SAFE_INTEGER, toUs: Number.MAX_SAFE_INTEGER };

export interface LiveAsked {
  readonly window: Partial<Window>;
  readonly truth: TruthRequest | undefined;
}

export interface LiveFound {
  readonly live: LiveView | { readonly absent: string };
  /** The last prediction of the window whose truth is known. */
  readonly example: { readonly id: string; readonly label: number } | null;
}

const none = (absent: string): LiveFound => ({ live: { absent }, example: null });

/** Raises `report-truth-unclear` if the caller's truth does not fit, and compute's problems for its expressions. */
export async function describeLive(
  ctx: Ctx,
  revision: Revision,
  endpoint: EndpointDefinition,
  version: ModelVersion | null,
  datasets: readonly DatasetDescription[],
  asked: LiveAsked,
): Promise<LiveFound> {
  const { definition } = revision;
  const window = { ...ALL, ...asked.window };
  const files = await inferenceFiles(ctx, { project: revision.project, endpoint: endpoint.name, ...window });
  if (files.length === 0) return none('No predictions of this endpoint have been shipped from the data plane yet.');
  const described = new Map(datasets.map((d) => [d.definition.name, d]));
  const columnsOf = (name: string) => described.get(name)?.version.columns.map((c) => c.name);
  const choice = truthOf(definition, endpoint, columnsOf, asked.truth);
  if (!choice.ok)
    return asked.truth === undefined ? none(`They cannot be set against the truth: ${choice.why}`) : fail('report-truth-unclear', choice);
  const parameters = version?.evidence.parameters ?? {};
  const put = (text: string): string =>
    text.replace(/\$([A-Za-z_]\w*)/g, (whole, name: string) => (name in parameters ? String(parameters[name]) : whole));
  const truth = {
    ...choice.truth,
    label: put(choice.truth.label),
    where: choice.truth.where === null ? null : put(choice.truth.where),
    at: choice.truth.at === null ? null : put(choice.truth.at),
  };
  const table = described.get(truth.dataset)!;
  const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, revision.project);
  const rows = await queryLive(ctx, {
    endpoint: endpoint.name,
    window,
    log: {
      files: await stageFiles(
        ctx,
        files.map((f) => f.digest),
      ),
    },
    logged: loggedColumns(files),
    truth,
    truthTable: {
      files: await stageFiles(
        ctx,
        table.files.map((f) => f.digest),
      ),
    },
    truthTypes: new Map(table.version.columns.map((c) => [c.name, c.type])),
    knownAt: table.definition.knownAt,
    knownByUs: nowUs,
    inputs: (version?.signature?.inputs ?? []).map((i) => i.name),
  });
  if (rows.predictions === 0) return none('This endpoint has answered no predictions in the time asked for.');
  const live = liveView(rows, {
    endpoint: endpoint.name,
    window,
    task: definition.models[endpoint.model]?.task ?? 'binary',
    label: truth.label,
    joinedBy: joinedBy(truth),
    knownByUs: nowUs,
    trainingMissing: trainingMissing(version?.baseline),
    ttlUs: new Map(Object.values(definition.views).map((v) => [v.name, v.ttlUs])),
  });
  return { live, example: rows.example };
}
