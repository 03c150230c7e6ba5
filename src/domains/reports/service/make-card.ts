// Gathers what is known of one model version into its card.
import type { Ctx } from '../../../kernel/ctx.ts';
import { getVersion as getDatasetVersion } from '../../datasets/public.ts';
import { getEnvironment } from '../../environments/public.ts';
import { revisionById } from '../../projects/public.ts';
import { findDecision, findVersion, getEvaluation, getModel } from '../../registry/public.ts';
import { renderCard } from '../card.ts';
import { evaluationView, gateView, modelView } from '../model-view.ts';
import { evaluationStepOf } from '../truth.ts';

/** Markdown. Raises `model-not-found`, `model-version-not-found`. */
export async function makeCard(ctx: Ctx, name: string, which: string): Promise<string> {
  const model = await getModel(ctx, name);
  const version = await findVersion(ctx, name, which);
  const { evidence } = version;
  // The revision it was trained under, not the current one: a card speaks of the version.
  const revision = evidence.projectRevision === undefined ? null : await revisionById(ctx, evidence.projectRevision);
  const definition = revision?.definition;
  const evaluation = evidence.evaluation === undefined ? null : await getEvaluation(ctx, evidence.evaluation);
  const decision = await findDecision(ctx, version);
  const environment = evidence.environment === undefined ? null : await getEnvironment(ctx, evidence.environment.digest);
  const datasets = await Promise.all((evidence.datasetVersions ?? []).map((id) => getDatasetVersion(ctx, id)));
  const task = evaluation?.task ?? definition?.models[name]?.task;
  return renderCard({
    model: modelView(version, definition?.models[name]?.description || model.description),
    task:
      task === 'binary'
        ? 'binary classification; the score is the probability of the positive class'
        : task === 'regression'
          ? 'regression'
          : 'not declared',
    project: revision && { name: revision.project, revision: revision.number, revisionId: revision.id },
    endpoints: Object.values(definition?.endpoints ?? {})
      .filter((e) => e.model === name)
      .map((e) => e.name),
    training: {
      datasets: datasets.map((d) => ({ name: d.dataset, number: d.number, id: d.id, rows: d.rows, logicalDigest: d.logicalDigest })),
      pipelineRun: evidence.pipelineRun ?? null,
      trackingRun: version.trackingRunId,
      loggedModel: version.loggedModelId,
      codeSnapshot: evidence.codeSnapshot ?? null,
      commit: evidence.commit ?? null,
    },
    environment: environment && { ...environment, packages: environment.packages.length },
    evaluation:
      evaluation &&
      evaluationView(
        evaluation,
        datasetName(datasets, evaluation.datasetVersion),
        definition ? (evaluationStepOf(definition, name)?.spine.label ?? null) : null,
      ),
    gate: decision ? gateView(decision, evaluation) : null,
  });
}

const datasetName = (datasets: readonly { id: string; dataset: string }[], id: string): string =>
  datasets.find((d) => d.id === id)?.dataset ?? id;
