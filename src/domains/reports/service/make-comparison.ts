// Gathers what a pull request needs of a version: beside the champion, or another version.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import {
  diffProfiles,
  diffVersions,
  getVersion as getDatasetVersion,
  personalColumns,
  type ColumnProfile,
  type DatasetVersion,
} from '../../datasets/public.ts';
import { diffEnvironments, getEnvironment } from '../../environments/public.ts';
import { runOutcome } from '../../pipelines/public.ts';
import { currentRevision, snapshotFiles, type ProjectDefinition, type Revision } from '../../projects/public.ts';
import {
  compareVersions,
  currentDecision,
  findDecision,
  findVersion,
  getEvaluation,
  getVersion,
  type Evaluation,
  type Gate,
  type ModelVersion,
} from '../../registry/public.ts';
import type { Comparison, DataChange, Side, ValueChange } from '../documents/comparison.ts';
import { fail } from '../errors.ts';
import { metricRows } from '../metric-words.ts';
import { gateView } from '../model-view.ts';
import { none } from '../../../stats/figure.ts';
import { requireReadable } from './require-readable.ts';

export interface ComparisonAsked {
  /** Default: the model of the run, or of the project's first endpoint, or its first model. */
  readonly model?: string | undefined;
  /** Number, alias or "latest". */
  readonly version?: string | undefined;
  /** The version that this run registered, instead. */
  readonly run?: string | undefined;
  /** Number or alias; default "champion". */
  readonly against?: string | undefined;
}

/** Rows above this number are not compared one by one. */
const MAX_ROWS = 5_000_000;

/** Raises `project-not-found`, `report-model-missing`, `model-version-not-found`, `run-not-found`. */
export async function makeComparison(ctx: Ctx, project: string, asked: ComparisonAsked): Promise<Comparison> {
  const revision = await currentRevision(ctx, project);
  const { definition } = revision;
  const candidate = await candidateOf(ctx, definition, asked);
  requireReadable(ctx, project, definition, { models: [candidate.model], endpoints: [] });
  const champion = await championOf(ctx, candidate, asked.against);
  const gates = (definition.models[candidate.model]?.gates ?? []) as readonly Gate[];
  const decision = await findDecision(ctx, candidate);
  const evaluation = candidate.evidence.evaluation === undefined ? null : await getEvaluation(ctx, candidate.evidence.evaluation);
  const { parameters: mine = {} } = candidate.evidence;
  const { parameters: theirs = mine } = champion?.evidence ?? {};
  return {
    project,
    candidate: sideOf(candidate),
    champion: champion && sideOf(champion),
    evaluation: evaluation && {
      id: evaluation.id,
      rows: evaluation.rows,
      dataset: (await getDatasetVersion(ctx, evaluation.datasetVersion)).dataset,
    },
    metrics: evaluation ? await metricsOf(ctx, evaluation, candidate, champion) : { absent: 'The version has no evaluation made by Gyre' },
    gate: decision ? gateView(decision, evaluation) : null,
    gateHolds: decision !== undefined && (await currentDecision(ctx, candidate, gates))?.id === decision.id,
    data: await dataOf(ctx, revision, candidate, champion),
    parameters: differing(theirs, mine),
    environment: await environmentOf(ctx, candidate, champion),
    code: await codeOf(ctx, candidate, champion),
  };
}

async function candidateOf(ctx: Ctx, definition: ProjectDefinition, asked: ComparisonAsked): Promise<ModelVersion> {
  if (asked.run !== undefined) {
    const { versions } = await runOutcome(ctx, asked.run);
    const found = await Promise.all(versions.map((id) => getVersion(ctx, id)));
    return (
      found.find((v) => asked.model === undefined || v.model === asked.model) ??
      fail('report-model-missing', {
        why: `run ${asked.run} registered no version${asked.model === undefined ? '' : ` of ${asked.model}`}`,
      })
    );
  }
  const model = asked.model ?? Object.values(definition.endpoints)[0]?.model ?? Object.keys(definition.models)[0];
  if (model === undefined) return fail('report-model-missing', { why: `the project "${definition.project}" declares no model` });
  return findVersion(ctx, model, asked.version ?? 'latest');
}

async function championOf(ctx: Ctx, candidate: ModelVersion, against: string | undefined): Promise<ModelVersion | null> {
  if (against !== undefined) return findVersion(ctx, candidate.model, against);
  const champion = await findVersion(ctx, candidate.model, 'champion').catch((error: unknown) => {
    if (!isProblem(error, 'model-version-not-found')) throw error;
    return null;
  });
  if (champion && champion.id !== candidate.id) return champion;
  // A version that has become the champion is shown beside the one that it had to stand up to.
  const decision = await findDecision(ctx, candidate);
  return decision?.championId == null ? null : getVersion(ctx, decision.championId);
}

const sideOf = (v: ModelVersion): Side => ({
  id: v.id,
  model: v.model,
  number: v.number,
  run: v.evidence.pipelineRun ?? null,
  commit: v.evidence.commit ?? null,
});

async function metricsOf(
  ctx: Ctx,
  evaluation: Evaluation,
  candidate: ModelVersion,
  champion: ModelVersion | null,
): Promise<Comparison['metrics']> {
  const compared = champion && (await compareVersions(ctx, evaluation, candidate, champion));
  return metricRows(evaluation.metrics).map((m) => ({
    metric: m.metric,
    title: m.title,
    better: m.better,
    candidate: m.figure,
    champion: compared?.ok
      ? (compared.evaluation.metrics[m.metric] ?? none('it was not computed', 0))
      : none(compared ? compared.reason : 'there is no champion', 0),
    improvement: compared?.ok
      ? compared.difference(m.metric, 0.95)
      : { ok: false, reason: compared ? compared.reason : 'there is no champion' },
  }));
}

async function dataOf(ctx: Ctx, revision: Revision, candidate: ModelVersion, champion: ModelVersion | null): Promise<DataChange[]> {
  const load = async (v: ModelVersion | null): Promise<Map<string, DatasetVersion>> =>
    new Map((await Promise.all((v?.evidence.datasetVersions ?? []).map((id) => getDatasetVersion(ctx, id)))).map((x) => [x.dataset, x]));
  const [before, after] = [await load(champion), await load(candidate)];
  const d = revision.definition;
  const personal = new Set([...(await personalColumns(ctx, revision)), ...Object.values(d.subjects).flat()]);
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const brief = (v: DatasetVersion | undefined): DataChange['before'] => (v ? { id: v.id, number: v.number, rows: v.rows } : null);
  const found: DataChange[] = [];
  for (const dataset of names) {
    const [a, b] = [before.get(dataset), after.get(dataset)];
    const both = a && b && a.id !== b.id;
    found.push({
      dataset,
      before: brief(a),
      after: brief(b),
      columns: both ? diffProfiles(a.profile.map(hidden(personal)), b.profile.map(hidden(personal))) : [],
      rows: both ? await rowsOf(ctx, a, b, d.datasets[dataset]?.key ?? []) : null,
    });
  }
  return found;
}

/** The least and the greatest value of a column that is about people are somebody’s, and a comment is read by many. */
const hidden =
  (personal: ReadonlySet<string>) =>
  (c: ColumnProfile): ColumnProfile =>
    personal.has(c.name) ? { ...c, min: null, max: null } : c;

async function rowsOf(ctx: Ctx, before: DatasetVersion, after: DatasetVersion, key: readonly string[]): Promise<DataChange['rows']> {
  if (key.length === 0) return { absent: 'not compared: the dataset declares no key' };
  if (Math.max(before.rows, after.rows) > MAX_ROWS) return { absent: `not compared: more than ${MAX_ROWS} rows` };
  try {
    return (await diffVersions(ctx, before, after, key)).rows;
  } catch (error) {
    if (!isProblem(error)) throw error;
    return { absent: `not compared: ${error.message}` };
  }
}

function differing(before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>): ValueChange[] {
  const text = (x: unknown): string | null => (x === undefined ? null : String(x));
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .sort()
    .map((name) => ({ name, before: text(before[name]), after: text(after[name]) }))
    .filter((x) => x.before !== x.after);
}

async function environmentOf(ctx: Ctx, candidate: ModelVersion, champion: ModelVersion | null): Promise<Comparison['environment']> {
  if (champion === null) return { absent: 'There is no champion to compare with' };
  const [before, after] = [champion.evidence.environment, candidate.evidence.environment];
  if (!before || !after) return { absent: `The environment of the ${before ? 'candidate' : 'champion'} is not recorded` };
  const diff = diffEnvironments(await getEnvironment(ctx, before.digest), await getEnvironment(ctx, after.digest));
  const pair = (name: string, values: readonly [string, string] | null): ValueChange[] =>
    values ? [{ name, before: values[0], after: values[1] }] : [];
  return {
    changes: [
      ...pair('python', diff.python),
      ...pair('platform', diff.platform),
      // Built anew under the same number: only the files differ.
      ...diff.packages.map((p) => ({
        name: p.change === 'rebuilt' ? `${p.name} (other files)` : p.name,
        before: p.before,
        after: p.after,
      })),
    ],
  };
}

async function codeOf(ctx: Ctx, candidate: ModelVersion, champion: ModelVersion | null): Promise<Comparison['code']> {
  if (champion === null) return { absent: 'There is no champion to compare with' };
  const [before, after] = [champion.evidence.codeSnapshot, candidate.evidence.codeSnapshot];
  if (before === undefined || after === undefined)
    return { absent: `The code of the ${before === undefined ? 'champion' : 'candidate'} is not recorded` };
  const short = (files: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(files).map(([path, digest]) => [path, digest.slice(0, 12)]));
  return { changed: differing(short(await snapshotFiles(ctx, before)), short(await snapshotFiles(ctx, after))) };
}
