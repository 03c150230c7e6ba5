// What each arm of a bandit was rewarded with: sums for the posteriors, and sums by propensity for what it would have brought
// with all the traffic. Late, repeated, corrected and missing rewards are told apart here and nowhere else.
import type { ComputeTable } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { AllSums, CrossSums, WeightedSums } from '../../../stats/bandit/off-policy.ts';
import type { RewardSums } from '../../../stats/bandit/thompson.ts';
import { currentRevision } from '../../projects/public.ts';
import { labelledFiles, recordFiles } from '../../releases/public.ts';
import { trialMetrics, type TrialMetric } from '../model.ts';
import { outcomesSql, spansSql, unitSql, valueSql, type Spans } from './values.ts';

export interface RewardQuestion {
  readonly project: string;
  readonly endpoint: string;
  readonly spans: Spans;
  readonly fromUs: number;
  readonly toUs: number;
  readonly metric: TrialMetric;
  /** Predictions younger than this do not count yet. */
  readonly delayUs: number;
  /** What one without a reward counts as; null = not at all. */
  readonly missing: number | null;
  readonly halfLifeUs: number | null;
}

export interface RewardedArm {
  readonly arm: string;
  readonly requests: number;
  /** Units that were assigned to it first. */
  readonly assigned: number;
  readonly sums: RewardSums;
  readonly weighted: WeightedSums;
  /** With the control. */
  readonly cross: CrossSums;
}

export interface Rewarded {
  readonly arms: readonly RewardedArm[];
  readonly all: AllSums;
  /** Of all rewards, without weights. */
  readonly mean: number | null;
  readonly variance: number;
  /** Predictions that are too young to count. */
  readonly waiting: number;
  /** Rewards that are neither 0 nor 1. */
  readonly notBinary: number;
  /** Units that met several arms, because the weights moved. */
  readonly moved: number;
  /** Units by the revision and the arm that they were assigned to first. */
  readonly firsts: readonly { readonly revision: number; readonly arm: string; readonly units: number }[];
}

const nothing: Rewarded = {
  ...{ arms: [], all: { requests: 0, units: 0, requests2: 0 }, mean: null, variance: 0, waiting: 0, notBinary: 0, moved: 0 },
  firsts: [],
};

/** One run of the compute process. */
export async function measureRewards(ctx: Ctx, q: RewardQuestion): Promise<Rewarded> {
  const { definition } = await currentRevision(ctx, q.project);
  const span = { project: q.project, endpoint: q.endpoint, fromUs: q.fromUs, toUs: q.toUs };
  const records = await recordFiles(ctx, span);
  if (records.length === 0) return nothing;
  const tables: Record<string, ComputeTable> = { records: { files: records } };
  const labels = trialMetrics[q.metric].needsLabels ? await labelledFiles(ctx, definition, span) : [];
  if (labels.length > 0) tables.labels = { files: labels };
  const { rows } = await ctx.compute.run({
    what: `rewards on ${q.endpoint}`,
    tables,
    statements: [],
    rows: sqlOf(q, labels.length > 0),
  });
  const [row] = rows as unknown as Row[];
  return row ? toRewarded(row) : nothing;
}

type Row = Readonly<Record<string, unknown>>;

const ARM = [
  'assigned',
  'requests',
  'n',
  'w',
  'w2',
  'wr',
  'wrr',
  'reward',
  'weight',
  'reward2',
  'weight2',
  'rw',
  'rn',
  'sw',
  'xrr',
  'xrw',
  'xwr',
  'xww',
] as const;

function sqlOf(q: RewardQuestion, hasLabels: boolean): string {
  const value = q.missing === null ? 'value' : `coalesce(value, ${q.missing})`;
  const w = q.halfLifeUs === null ? '1.0' : `(0.5 ** ((${q.toUs} - us) / ${q.halfLifeUs}.0))`;
  // The same order at every run, so that sums are the same to the last bit.
  return `with
    outcomes as (${outcomesSql(hasLabels)}),
    own as (
      select ${unitSql} as unit, r.variant as arm, r.revision as revision, r."eventTimeUs" as us, r.propensity as p, r.id as id, (${valueSql[q.metric]})::double as value
      from records r left join outcomes o on o.id = r.id
      where ${spansSql(q.spans)} and r."eventTimeUs" between ${q.fromUs} and ${q.toUs} and r.assignment <> 'pinned' and r.propensity > 0
    ),
    rewarded as (
      select unit, arm, p, ${value} as r, ${w} as w from own where us <= ${q.toUs - q.delayUs} and ${value} is not null order by us, id
    ),
    met as (select unit, arg_min({'arm': arm, 'revision': revision}, us) as f, count(distinct arm) as arms from own group by unit),
    requests as (select arm, count(*) as requests from own group by arm),
    assigned as (select f.arm as arm, count(*) as assigned from met group by 1),
    plain as (
      select arm, count(*) as n, sum(w) as w, sum(w * w) as w2, sum(w * r) as wr, sum(w * r * r) as wrr, sum(1 / (p * p)) as sw from rewarded group by arm
    ),
    per as (select unit, arm, sum(r / p) as big_r, sum(1 / p) as big_w from rewarded group by unit, arm),
    unit_n as (select unit, count(*) as n from rewarded group by unit),
    control as (select * from per where arm = 'control'),
    weighted as (
      select per.arm as arm, sum(per.big_r) as reward, sum(per.big_w) as weight, sum(per.big_r ** 2) as reward2, sum(per.big_w ** 2) as weight2,
        sum(per.big_r * per.big_w) as rw, sum(per.big_r * unit_n.n) as rn,
        sum(per.big_r * c.big_r) as xrr, sum(per.big_r * c.big_w) as xrw, sum(per.big_w * c.big_r) as xwr, sum(per.big_w * c.big_w) as xww
      from per join unit_n using (unit) left join control c using (unit) group by per.arm
    ),
    arms as (select * from requests left join assigned using (arm) left join plain using (arm) left join weighted using (arm) order by arm)
    select
      coalesce((select list({'arm': arm, ${ARM.map((name) => `'${name}': coalesce(${name}, 0)::double`).join(', ')}}) from arms), []) as arms,
      (select count(*)::double from rewarded) as requests, (select count(*)::double from unit_n) as units,
      (select coalesce(sum(n * n), 0)::double from unit_n) as requests2,
      (select avg(r) from rewarded) as mean, (select coalesce(var_samp(r), 0) from rewarded) as variance,
      (select count(*)::double from own where us > ${q.toUs - q.delayUs}) as waiting,
      (select count(*)::double from rewarded where r not in (0, 1)) as "notBinary",
      (select count(*)::double from met where arms > 1) as moved,
      coalesce((select list({'revision': revision, 'arm': arm, 'units': units}) from (
        select f.revision as revision, f.arm as arm, count(*)::double as units from met group by all order by all)), []) as firsts`;
}

type ArmRow = { readonly arm: string } & Readonly<Record<(typeof ARM)[number], number>>;

function toRewarded(row: Row): Rewarded {
  const number = (name: string): number => Number(row[name] ?? 0);
  return {
    arms: (row.arms as unknown as ArmRow[]).map((a) => ({
      ...{ arm: a.arm, requests: a.requests, assigned: a.assigned },
      sums: { n: a.n, weight: a.w, squaredWeight: a.w2, reward: a.wr, squaredReward: a.wrr },
      weighted: {
        ...{ n: a.n, reward: a.reward, weight: a.weight, reward2: a.reward2, weight2: a.weight2 },
        ...{ rewardWeight: a.rw, rewardRequests: a.rn, squaredWeight: a.sw },
      },
      cross: { rewards: a.xrr, rewardWeight: a.xrw, weightReward: a.xwr, weights: a.xww },
    })),
    all: { requests: number('requests'), units: number('units'), requests2: number('requests2') },
    mean: row.mean === null || row.mean === undefined ? null : number('mean'),
    variance: number('variance'),
    ...{ waiting: number('waiting'), notBinary: number('notBinary'), moved: number('moved') },
    firsts: row.firsts as Rewarded['firsts'],
  };
}
