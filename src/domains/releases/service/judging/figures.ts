// What both variants of a staged release did, step by step, counted from the inference log and the feedback.
import type { ComputeTable } from '../../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../../kernel/ctx.ts';
import { sampleRatio, sampleRatioAlways } from '../../../../stats/sequential.ts';
import { revisionById, type ProjectDefinition } from '../../../projects/public.ts';
import { columnsOf, inferenceFiles } from '../../../serving/public.ts';
import type { Release, StepFigures } from '../../model.ts';
import * as endpoints from '../../store/endpoints.ts';
import * as store from '../../store/releases.ts';
import { alphaOf, type Compared, type FeatureBins } from './compared.ts';
import { featuresSql, pairsSql, variantsSql, type StepWindow } from './count-sql.ts';
import { countedOf, emptyRow, pairedOf, sidesOf, variantFigures, type PairRow, type VariantRow } from './counted-rows.ts';
import { judgeGuardrail } from './guardrails.ts';
import { labelledFiles, recordFiles, shadowFiles } from '../records.ts';
import { knownAtOnce } from './verdict.ts';

export interface Moment {
  readonly nowUs: number;
  readonly isLive: boolean;
}

/** By so much a wall clock may be set back without records getting lost. */
const CLOCK_SLACK_US = 86_400_000_000;

interface Contents {
  readonly variants: readonly VariantRow[];
  readonly pairs: readonly PairRow[];
  readonly features: readonly FeatureBins[] | null;
}

/** Figures of a staged release at a moment of event time. */
export async function figuresOf(ctx: Ctx, release: Release, moment: Moment): Promise<StepFigures> {
  const revision = await endpoints.getRevision(ctx.db, ctx.workspace, release.revision);
  const { definition } = await revisionById(ctx, revision.projectRevision);
  const stable = (await endpoints.getRevision(ctx.db, ctx.workspace, release.previous!)).variants[0]!;
  const windows = await stepWindows(ctx, release, moment);
  const contents = await count(ctx, release, windows, definition, moment);
  return toFigures(release, stable.id, windows, contents, moment);
}

const isWindow = (state: string): state is StepWindow['state'] => ['shadow', 'canary', 'baking'].includes(state);

/** Where each step began, from what the release went through; a resumed step begins anew. */
async function stepWindows(ctx: Ctx, release: Release, { nowUs, isLive }: Moment): Promise<StepWindow[]> {
  const windows = new Map<number, StepWindow>();
  for (const t of await store.listTransitions(ctx.db, ctx.workspace, release.id)) {
    if (!isWindow(t.to) || (t.from === t.to && windows.has(t.step))) continue;
    const { number } = await endpoints.getRevision(ctx.db, ctx.workspace, t.revision);
    // A wall clock may have been set since: what a step's own revision answered is its own, whatever the clock said.
    const began = isLive && t.from !== 'paused' ? 0 : t.atUs;
    const toUs = isLive ? Number.MAX_SAFE_INTEGER : nowUs;
    windows.set(t.step, { state: t.to, step: t.step, share: t.share, revision: number, sinceUs: began, toUs });
  }
  return [...windows.values()];
}

async function count(
  ctx: Ctx,
  release: Release,
  windows: readonly StepWindow[],
  definition: ProjectDefinition,
  { nowUs, isLive }: Moment,
): Promise<Contents> {
  const { project, endpoint } = release;
  // As the windows: on a live timeline a step is known by its revision, for the clock may have been set back.
  const span = { project, endpoint, fromUs: release.startedUs - (isLive ? CLOCK_SLACK_US : 0), toUs: Number.MAX_SAFE_INTEGER };
  const records = await recordFiles(ctx, span);
  if (records.length === 0) return { variants: [], pairs: [], features: null };
  const labels = await labelledFiles(ctx, definition, { ...span, toUs: isLive ? span.toUs : nowUs + 1 });
  const isBinary = (definition.models[definition.endpoints[endpoint]!.model]?.task ?? 'binary') === 'binary';
  const tables: Record<string, ComputeTable> = { records: { files: records }, ...(labels.length > 0 ? { labels: { files: labels } } : {}) };
  const ask = async <Row>(rows: string, more: Record<string, ComputeTable> = {}): Promise<Row[]> =>
    (await ctx.compute.run({ what: `release of ${endpoint}`, tables: { ...tables, ...more }, statements: [], rows }))
      .rows as unknown as Row[];
  const variants = await ask<VariantRow>(variantsSql(windows, isBinary, labels.length > 0));
  const mirrored = windows.filter((w) => w.state !== 'canary');
  const copies = mirrored.length === 0 ? [] : await shadowFiles(ctx, span);
  const pairs =
    copies.length === 0 ? [] : await ask<PairRow>(pairsSql(mirrored, isBinary, labels.length > 0), { copies: { files: copies } });
  const now = windows.find((w) => w.step === release.step)!;
  const wanted = now.state === 'canary' && release.policy!.guardrails.some((g) => g.metric === 'feature_drift');
  return { variants, pairs, features: wanted ? await features(ctx, release, now, ask) : null };
}

async function features(
  ctx: Ctx,
  { project, endpoint, candidate }: Release,
  now: StepWindow,
  ask: <Row>(sql: string) => Promise<Row[]>,
): Promise<FeatureBins[] | null> {
  const { request } = columnsOf(await inferenceFiles(ctx, { project, endpoint, fromUs: now.sinceUs, toUs: Number.MAX_SAFE_INTEGER }));
  if (request.length === 0) return null;
  const rows = await ask<{ variant: string; columns: number[][] }>(featuresSql(now, request));
  const own = rows.find((r) => r.variant === candidate.id);
  const other = rows.find((r) => r.variant !== candidate.id);
  if (!own || !other) return null;
  return own.columns.map((bins, i) => ({ column: request[i]!.name, candidate: bins, stable: other.columns[i]! }));
}

function toFigures(
  release: Release,
  stableId: string,
  windows: readonly StepWindow[],
  { variants, pairs, features: sent }: Contents,
  { nowUs, isLive }: Moment,
): StepFigures {
  const policy = release.policy!;
  const candidateId = release.candidate.id;
  const of = (step: number, variant: string): VariantRow =>
    variants.find((r) => r.step === step && r.variant === variant) ?? { step, variant, ...emptyRow };
  /** What each answered in a step; of copies, on the requests that both answered. */
  const sides = (w: StepWindow): readonly [VariantRow, VariantRow] => {
    const served = [of(w.step, candidateId), of(w.step, stableId)] as const;
    return w.state === 'canary'
      ? served
      : sidesOf(
          w,
          served,
          pairs.find((p) => p.step === w.step),
        );
  };
  const alpha = alphaOf(policy, isLive);
  const compared = windows.map((w): Compared => {
    const [candidate, stable] = sides(w).map(countedOf) as [Compared['candidate'], Compared['stable']];
    const pair = pairs.find((p) => p.step === w.step);
    return {
      ...{ state: w.state, step: w.step, share: w.share, candidate, stable, alpha, isLive },
      pairs: w.state === 'canary' ? null : pairedOf(pair),
      features: w.step === release.step ? sent : null,
      expected: w.state === 'canary' ? Math.ceil(policy.minSample / Math.min(w.share, 1 - w.share)) : 2 * policy.minSample,
    };
  });
  const now = windows.find((w) => w.step === release.step)!;
  const [candidate, stable] = sides(now);
  return {
    state: now.state,
    step: now.step,
    share: now.share,
    sinceUs: release.sinceUs,
    atUs: nowUs,
    looks: release.looks + 1,
    candidate: variantFigures(candidate),
    stable: variantFigures(stable),
    // What is known at once is judged within its step; outcomes of earlier steps come later.
    guardrails: policy.guardrails.flatMap((g) =>
      compared
        .filter((c) => c.step === now.step || !knownAtOnce.includes(g.metric))
        .map((c) => judgeGuardrail(g, c))
        .filter((judged) => judged !== undefined),
    ),
    ratio: ratioOf(now, candidate.units, stable.units),
    harmed: harmedBy(variants, candidateId, stableId),
  };
}

/** Nothing is drawn where one of the two has all traffic. */
function ratioOf({ state, share }: StepWindow, own: number, other: number): StepFigures['ratio'] {
  const units = own + other;
  if (state !== 'canary') return { planned: share, found: null, units, pValue: 1, chiSquareP: 1 };
  const [counts, shares] = [[other, own] as const, [1 - share, share] as const];
  return {
    planned: share,
    found: units === 0 ? null : own / units,
    units,
    pValue: sampleRatioAlways(counts, shares),
    chiSquareP: sampleRatio(counts, shares).pValue,
  };
}

/** All that the candidate answered, requests that named it and those after this moment of event time included. */
function harmedBy(rows: readonly VariantRow[], candidateId: string, stableId: string): StepFigures['harmed'] {
  let [requests, errors, beyondStable] = [0, 0, 0];
  const shareOf = (all: readonly VariantRow[]): number | undefined => {
    const answered = all.reduce((sum, r) => sum + r.all_requests, 0);
    return answered === 0 ? undefined : all.reduce((sum, r) => sum + r.all_errors, 0) / answered;
  };
  const stable = rows.filter((r) => r.variant === stableId);
  for (const row of rows.filter((r) => r.variant === candidateId)) {
    // While it has all traffic, what the stable one failed before stands for what it would fail.
    const share = shareOf(stable.filter((r) => r.step === row.step)) ?? shareOf(stable) ?? 0;
    requests += row.all_requests;
    errors += row.all_errors;
    beyondStable += row.all_errors - row.all_requests * share;
  }
  return { requests, errors, beyondStable: Math.max(0, Math.round(beyondStable)) };
}
