// What both variants of a staged release did, step by step, counted from the inference log and the feedback.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { ComputeTable } from '../../../kernel/compute/compute.ts';
import { sampleRatio, sampleRatioAlways } from '../../../stats/sequential.ts';
import { revisionById, type ProjectDefinition, type ReleasePolicy } from '../../projects/public.ts';
import type { Release, StepFigures, VariantFigures } from '../model.ts';
import * as endpoints from '../store/endpoints.ts';
import * as store from '../store/releases.ts';
import { judgeGuardrail, type Compared, type Counted } from './guardrails.ts';
import { labelledFiles, recordFiles } from './records.ts';

/** Chance that a release whose candidate is as good as the stable variant is rolled back: all guardrails, steps and looks together. */
const FALSE_ALARM = 0.05;
/** Guardrails that are shown and decide nothing. */
const REPORTED = ['latency'];
const BINS = 10;

/** The share of one guardrail in one step. */
export const alphaOf = ({ guardrails, steps }: ReleasePolicy): number =>
  FALSE_ALARM / Math.max(1, guardrails.filter((g) => !REPORTED.includes(g.metric)).length * (steps.length - 1));

interface StepWindow {
  readonly step: number;
  readonly share: number;
  /** Number of the endpoint's revision. */
  readonly revision: number;
  readonly sinceUs: number;
}

interface Row {
  readonly step: number;
  readonly variant: string;
  readonly requests: number;
  readonly errors: number;
  readonly all_requests: number;
  readonly all_errors: number;
  readonly units: number;
  readonly score_mean: number | null;
  readonly latency: readonly number[] | null;
  readonly bins: readonly number[];
  readonly scores: readonly number[] | null;
  readonly labels: readonly number[] | null;
}

/** Where each step began, from what the release went through; a resumed step begins anew. */
async function stepWindows(ctx: Ctx, release: Release): Promise<StepWindow[]> {
  const windows = new Map<number, StepWindow>();
  for (const t of await store.listTransitions(ctx.db, ctx.workspace, release.id)) {
    if (t.to !== 'canary' || (t.from === 'canary' && windows.has(t.step))) continue;
    const { number } = await endpoints.getRevision(ctx.db, ctx.workspace, t.revision);
    windows.set(t.step, { step: t.step, share: t.share, revision: number, sinceUs: t.atUs });
  }
  return [...windows.values()];
}

/** Figures of a staged release at a moment of event time. One run of the compute process. */
export async function figuresOf(ctx: Ctx, release: Release, nowUs: number): Promise<StepFigures> {
  const revision = await endpoints.getRevision(ctx.db, ctx.workspace, release.revision);
  const { definition } = await revisionById(ctx, revision.projectRevision);
  const windows = await stepWindows(ctx, release);
  const rows = await count(ctx, release, windows, definition, nowUs);
  return toFigures(release, revision.variants[0]!.id, windows, rows, nowUs);
}

async function count(
  ctx: Ctx,
  { project, endpoint, startedUs }: Release,
  windows: readonly StepWindow[],
  definition: ProjectDefinition,
  nowUs: number,
): Promise<Row[]> {
  const records = await recordFiles(ctx, { project, endpoint, fromUs: startedUs, toUs: Number.MAX_SAFE_INTEGER });
  if (records.length === 0) return [];
  const labels = await labelledFiles(ctx, definition, { project, endpoint, fromUs: startedUs, toUs: nowUs + 1 });
  const tables: Record<string, ComputeTable> = { records: { files: records }, ...(labels.length > 0 ? { labels: { files: labels } } : {}) };
  const isBinary = (definition.models[definition.endpoints[endpoint]!.model]?.task ?? 'binary') === 'binary';
  const { rows } = await ctx.compute.run({
    what: `release of ${endpoint}`,
    tables,
    statements: [],
    rows: sqlOf(windows, isBinary, labels.length > 0, nowUs),
  });
  return rows as unknown as Row[];
}

// A probability has fixed bins; any other score those of the deciles of both variants together.
function sqlOf(windows: readonly StepWindow[], isBinary: boolean, hasLabels: boolean, nowUs: number): string {
  const values = windows.map((w) => `(${w.step}, ${w.revision}, ${w.sinceUs})`).join(', ');
  const bin = isBinary ? `greatest(0, least(${BINS - 1}, floor(score * ${BINS})))` : 'len(list_filter(deciles, lambda x: x < score))';
  const deciles = Array.from({ length: BINS - 1 }, (_, i) => (i + 1) / BINS).join(', ');
  return `with
    steps(step, revision, since) as (values ${values}),
    outcomes as (${
      hasLabels
        ? 'select prediction_id as id, arg_max_null(label, seq) as label from labels group by prediction_id'
        : 'select null::varchar as id, null::double as label where false'
    }),
    own as (
      select s.step, r.id, r.variant, r.score, r.error, r."latencyUs" as latency, r.assignment, r."assignmentKey" as key, o.label,
        r."eventTimeUs" between s.since and ${nowUs} and r.assignment <> 'pinned' as counts
      from records r join steps s on r.revision = s.revision left join outcomes o on o.id = r.id
    ),
    cuts as (select step, quantile_cont(score, [${deciles}]) as deciles from own where counts and score is not null group by step),
    binned as (select own.*, case when score is null then null else ${bin} end as bin from own left join cuts using (step))
    select step, variant,
      count(*) filter (counts) as requests,
      count(error) filter (counts) as errors,
      count(*) as all_requests,
      count(error) as all_errors,
      count(distinct key) filter (counts and assignment = 'sticky') + count(*) filter (counts and assignment = 'random') as units,
      avg(score) filter (counts) as score_mean,
      quantile_cont(latency, [0.5, 0.95, 0.99]) filter (counts) as latency,
      [${Array.from({ length: BINS }, (_, i) => `count(*) filter (counts and bin = ${i})`).join(', ')}] as bins,
      list(score order by id) filter (counts and label is not null and score is not null) as scores,
      list(label order by id) filter (counts and label is not null and score is not null) as labels
    from binned group by step, variant order by step, variant`;
}

const none: Omit<Row, 'step' | 'variant'> = {
  ...{ requests: 0, errors: 0, all_requests: 0, all_errors: 0, units: 0, score_mean: null, latency: null },
  ...{ bins: Array.from({ length: BINS }, () => 0), scores: null, labels: null },
};

function toFigures(release: Release, stableId: string, windows: readonly StepWindow[], rows: readonly Row[], nowUs: number): StepFigures {
  const policy = release.policy!;
  const of = (step: number, variant: string): Row =>
    rows.find((r) => r.step === step && r.variant === variant) ?? { step, variant, ...none };
  const candidateId = release.candidate.id;
  const alpha = alphaOf(policy);
  const compared = windows.map((w): Compared => {
    const [candidate, stable] = [of(w.step, candidateId), of(w.step, stableId)].map(counted) as [Counted, Counted];
    return {
      step: w.step,
      share: w.share,
      candidate,
      stable,
      alpha,
      expected: Math.ceil(policy.minSample / Math.min(w.share, 1 - w.share)),
    };
  });
  const now = windows.find((w) => w.step === release.step)!;
  const [candidate, stable] = [of(now.step, candidateId), of(now.step, stableId)];
  const counts = [stable.units, candidate.units] as const;
  const shares = [1 - now.share, now.share] as const;
  const units = counts[0] + counts[1];
  return {
    step: now.step,
    share: now.share,
    sinceUs: now.sinceUs,
    atUs: nowUs,
    looks: release.looks + 1,
    candidate: variantFigures(candidate),
    stable: variantFigures(stable),
    // What is known at once is judged within its step; outcomes of earlier steps come later.
    guardrails: policy.guardrails.flatMap((g) =>
      compared.filter((c) => c.step === now.step || !AT_ONCE.includes(g.metric)).map((c) => judgeGuardrail(g, c)),
    ),
    ratio: {
      planned: now.share,
      found: units === 0 ? null : candidate.units / units,
      units,
      pValue: sampleRatioAlways(counts, shares),
      chiSquareP: sampleRatio(counts, shares).pValue,
    },
    harmed: harmedBy(rows, candidateId, stableId),
  };
}

const AT_ONCE = ['error_rate', 'prediction_drift', 'latency'];

/** All that the candidate answered, requests that named it and those after this moment of event time included. */
function harmedBy(rows: readonly Row[], candidateId: string, stableId: string): StepFigures['harmed'] {
  let [requests, errors, beyondStable] = [0, 0, 0];
  for (const row of rows.filter((r) => r.variant === candidateId)) {
    const stable = rows.find((r) => r.step === row.step && r.variant === stableId);
    const share = stable && stable.all_requests > 0 ? stable.all_errors / stable.all_requests : 0;
    requests += row.all_requests;
    errors += row.all_errors;
    beyondStable += row.all_errors - row.all_requests * share;
  }
  return { requests, errors, beyondStable: Math.max(0, Math.round(beyondStable)) };
}

const counted = (r: Row): Counted => ({
  requests: r.requests,
  errors: r.errors,
  bins: r.bins,
  latencyP95Us: r.latency?.[1] ?? null,
  scores: r.scores ?? [],
  labels: r.labels ?? [],
});

const variantFigures = (r: Row): VariantFigures => ({
  variant: r.variant,
  requests: r.requests,
  errors: r.errors,
  errorShare: r.requests === 0 ? null : r.errors / r.requests,
  scoreMean: r.score_mean,
  latencyUs: r.latency && { p50: r.latency[0]!, p95: r.latency[1]!, p99: r.latency[2]! },
  labels: r.labels?.length ?? 0,
});
