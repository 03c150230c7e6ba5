// What each variant of an endpoint did in a span of event time: for a release that must judge a candidate against the
// stable one beside it.
import { stageFiles } from '../../datasets/public.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { joinedFiles } from '../../feedback/public.ts';
import { currentRevision } from '../../projects/public.ts';
import { recordsOf } from './records.ts';

export interface VariantRows {
  readonly variant: string;
  readonly modelVersion: string;
  readonly requests: number;
  readonly errors: number;
  readonly latencyUs: { readonly p50: number; readonly p95: number; readonly p99: number } | null;
  /** Finite scores, rising. */
  readonly scores: Float64Array;
  /** Labelled predictions, by event time. */
  readonly labels: { readonly scores: Float64Array; readonly labels: Float64Array };
}

/** By variant and model version, in the order of their names; [fromUs, toUs). */
export async function variantRows(
  ctx: Ctx,
  of: { readonly project: string; readonly endpoint: string; readonly fromUs: number; readonly toUs: number },
): Promise<VariantRows[]> {
  const { project, endpoint, fromUs, toUs } = of;
  const records = await recordsOf(ctx, { project, endpoint }, fromUs, toUs);
  if (!records) return [];
  const { definition } = await currentRevision(ctx, project);
  const monitor = Object.values(definition.monitors).find((m) => m.endpoint === endpoint);
  const files = monitor ? await joinedFiles(ctx, { project, monitor: monitor.name, fromUs, toUs }) : [];
  const joined = await stageFiles(ctx, [...new Set(files.map((f) => f.digest))]);
  const keys = `coalesce(variant, '') as variant, coalesce("modelVersion", '') as version`;
  const within = `"eventTimeUs" >= ${fromUs} and "eventTimeUs" < ${toUs}`;
  const order = 'order by event_us, prediction_id';
  const parts = [
    `select 'records' as part, ${keys}, count(*) as n, count(error) as errors, quantile_disc("latencyUs", [0.5, 0.95, 0.99]) as q,
      list(score order by score) filter (where isfinite(score)) as scores from records where ${within} group by all`,
    ...(joined.length === 0
      ? []
      : [
          `select 'labels' as part, coalesce(variant, '') as variant, coalesce(model_version, '') as version, count(*) as n,
            list(score ${order}) as scores, list(label ${order}) as labels from (
              select * from joined where event_us >= ${fromUs} and event_us < ${toUs}
              qualify row_number() over (partition by prediction_id order by seq desc) = 1
            ) where isfinite(label) and isfinite(score) group by all`,
        ]),
  ];
  const { rows } = await ctx.compute.run(
    {
      what: `variants of endpoint ${endpoint}`,
      tables: { records: { files: records.files }, ...(joined.length === 0 ? {} : { joined: { files: joined } }) },
      statements: [],
      threads: 1,
      rows: parts.map((p) => `(${p})`).join(' union all by name '),
    },
    ctx.signal,
  );
  const numbers = (list: unknown): Float64Array => Float64Array.from((list as number[] | null | undefined) ?? []);
  return rows
    .filter((r) => r.part === 'records')
    .map((r): VariantRows => {
      const mine = rows.find((l) => l.part === 'labels' && l.variant === r.variant && l.version === r.version);
      const q = r.q as (number | null)[] | null;
      return {
        variant: r.variant as string,
        modelVersion: r.version as string,
        requests: r.n as number,
        errors: r.errors as number,
        latencyUs: q?.[0] === null || q?.[0] === undefined ? null : { p50: q[0], p95: q[1]!, p99: q[2]! },
        scores: numbers(r.scores),
        labels: { scores: numbers(mine?.scores), labels: numbers(mine?.labels) },
      };
    })
    .sort((a, b) => (a.variant < b.variant ? -1 : a.variant > b.variant ? 1 : a.modelVersion < b.modelVersion ? -1 : 1));
}
