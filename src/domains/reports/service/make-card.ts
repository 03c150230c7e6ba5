// Gathers what is known of one model version into its card.
import type { Ctx } from '../../../kernel/ctx.ts';
import { getVersion as getDatasetVersion } from '../../datasets/public.ts';
import { getEnvironment } from '../../environments/public.ts';
import { revisionById } from '../../projects/public.ts';
import { findDecision, findVersion, getEvaluation, getModel, type ModelVersion } from '../../registry/public.ts';
import { renderCard, type CardLife } from '../card.ts';
import { listEvents } from '../documents/queries.ts';
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
    life: await lifeOf(ctx, version, revision?.project ?? null),
  });
}

const datasetName = (datasets: readonly { id: string; dataset: string }[], id: string): string =>
  datasets.find((d) => d.id === id)?.dataset ?? id;

/** From the events of releases, windows, alerts and erasures. */
async function lifeOf(ctx: Ctx, version: ModelVersion, project: string | null): Promise<CardLife> {
  const events = await listEvents(ctx.db, ctx.workspace, project ?? '', ['release', 'window', 'alert', 'erasure', 'baseline']);
  const at = (e: (typeof events)[number]): number => e.occurredUs ?? e.recordedMs * 1000;
  const own = events.filter((e) => e.subject.kind === 'release' && e.payload.version === version.id);
  const last = new Map(own.map((e) => [e.subject.id, e]));
  const windows = events.filter(
    (e) => e.type === 'window.closed' && e.edges.some((x) => x.relation === 'compares-with' && x.to.id === version.id),
  );
  const windowIds = new Set(windows.map((e) => e.subject.id));
  const fired = events.filter((e) => e.type === 'alert.firing' && e.edges.some((x) => windowIds.has(x.to.id)));
  const resolved = new Map(events.filter((e) => e.type === 'alert.resolved').map((e) => [e.subject.id, at(e)]));
  const data = new Set(version.evidence.datasetVersions);
  const newest = windows.at(-1);
  const profile = version.baseline as { rows?: unknown; columns?: unknown } | null;
  return {
    baseline: Array.isArray(profile?.columns)
      ? { columns: profile.columns.length, rows: typeof profile.rows === 'number' ? profile.rows : null }
      : null,
    baselines: events
      .filter((e) => e.type === 'baseline.fixed' && e.edges.some((x) => x.to.id === version.id))
      .map((e) => ({
        id: e.subject.id,
        rows: Number(e.payload.rows),
        windowUs: Number(e.payload.windowUs),
        lacks: Array.isArray(e.payload.lacks) ? e.payload.lacks.map(String) : [],
      })),
    releases: [...last.values()].map((e) => ({
      id: e.subject.id,
      endpoint: String(e.payload.endpoint),
      state: e.type.slice('release.'.length),
      atUs: at(e),
      reason: typeof e.payload.reason === 'string' ? e.payload.reason : '',
    })),
    windows: {
      count: windows.length,
      findings: windows.reduce((sum, e) => sum + Number(e.payload.findings ?? 0), 0),
      last: newest ? { id: newest.subject.id, toUs: Number(newest.payload.toUs) } : null,
    },
    alerts: fired.map((e) => ({
      id: e.subject.id,
      rule: String(e.payload.rule),
      severity: String(e.payload.severity),
      firedUs: at(e),
      resolvedUs: resolved.get(e.subject.id) ?? null,
    })),
    harms: [...last.values()].flatMap((e) => {
      const { harmed } = (e.payload.figures ?? {}) as { harmed?: { requests: number; errors: number; beyondStable: number } };
      return harmed && harmed.errors > 0 && e.type === 'release.rolled-back' ? [{ release: e.subject.id, ...harmed }] : [];
    }),
    erasures: events
      .filter((e) => e.type === 'erasure.completed' && e.edges.some((x) => data.has(x.to.id) || x.to.id === version.loggedModelId))
      .map((e) => e.subject.id),
  };
}
