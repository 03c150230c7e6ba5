// What the first version alone would have said: it scores the logged inputs of every labelled prediction that a
// later version answered. Batch predictions, made afterwards, and labelled as such wherever they are shown.
import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sqlName, sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { improvement } from '../../../stats/difference.ts';
import { metrics, type MetricName } from '../../../stats/metrics.ts';
import { stageFiles } from '../../datasets/public.ts';
import { joinedFiles } from '../../feedback/public.ts';
import type { MonitorDefinition } from '../../projects/public.ts';
import { findVersion, getEvaluation, versionFolder, versionInterpreter } from '../../registry/public.ts';
import { inferenceFiles, loggedColumns, scoreTable } from '../../serving/public.ts';
import type { Counterfactual, LoopWindow } from '../loop-view.ts';

export interface CounterfactualAsked {
  readonly project: string;
  readonly monitor: MonitorDefinition;
  readonly metric: MetricName;
  readonly windows: readonly LoopWindow[];
}

/** Raises what scoring raises. Without a second version there is nothing to compare. */
export async function makeCounterfactual(ctx: Ctx, asked: CounterfactualAsked): Promise<Counterfactual | { readonly absent: string }> {
  const { monitor, windows, metric } = asked;
  if (monitor.endpoint === null || monitor.model === null)
    return { absent: 'The model is served elsewhere, so an earlier version cannot be scored here.' };
  const answered = windows.filter((w) => w.version !== '');
  const first = answered[0]?.version;
  const replaced = answered.find((w) => w.version !== first);
  if (first === undefined || replaced === undefined) return { absent: 'No version has replaced another one yet.' };
  const version = await findVersion(ctx, monitor.model, first);
  if (version.state !== 'sealed' || version.evidence.evaluation === undefined)
    return { absent: `Version ${first} cannot be scored: it has no evaluation.` };
  const { score } = await getEvaluation(ctx, version.evidence.evaluation);
  const span = { fromUs: windows[0]!.fromUs, toUs: windows.at(-1)!.toUs };
  const files = await inferenceFiles(ctx, { project: asked.project, endpoint: monitor.endpoint, ...span });
  const joined = await joinedFiles(ctx, { project: asked.project, monitor: monitor.name, ...span });
  if (files.length === 0 || joined.length === 0) return { absent: 'No labelled predictions are known.' };
  const inputs = loggedColumns(files).inputs.map((c) => c.name);
  const lacking = (version.signature?.inputs ?? []).filter((i) => !inputs.includes(i.name)).map((i) => i.name);
  if (lacking.length > 0) return { absent: `Version ${first} reads ${lacking.join(', ')}, which the log does not hold.` };
  const folder = join(ctx.settings.dir, 'compute', 'made');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${randomBytes(8).toString('hex')}.ndjson`);
  try {
    const digests = (list: readonly { digest: string }[]): string[] => [...new Set(list.map((f) => f.digest))];
    const order = 'order by event_us, id';
    const { rows } = await ctx.compute.run(
      {
        what: `labelled predictions of ${monitor.name}`,
        tables: {
          log: { files: await stageFiles(ctx, digests(files)) },
          joined: { files: await stageFiles(ctx, digests(joined)) },
        },
        writes: [path],
        memoryMb: ctx.settings.computeMemoryMb,
        statements: [
          {
            sql: `create temp table newest as select prediction_id as id, event_us, score, label from joined where event_us >= ${span.fromUs} and event_us < ${span.toUs}
              qualify row_number() over (partition by prediction_id order by seq desc) = 1`,
          },
          {
            sql: `create temp table pairs as select n.*, l.inputs, coalesce(l."modelVersion", '') = ${sqlText(first)} as own from newest n join log l on l.id = n.id
              where n.label is not null and isfinite(n.label) and isfinite(n.score)`,
          },
          {
            sql: `copy (select ${inputs.map((name) => `inputs.${sqlName(name)} as ${sqlName(name)}`).join(', ')} from pairs where not own ${order}) to ${sqlText(path)} (format json)`,
          },
        ],
        rows: `select list(event_us ${order}) as at, list(score ${order}) as scores, list(label ${order}) as labels, list(own ${order}) as own from pairs`,
      },
      ctx.signal,
    );
    const found = rows[0] as unknown as { at: number[]; scores: number[]; labels: number[]; own: boolean[] };
    const rescored = await scoreTable({
      modelPath: join(ctx.settings.dir, await versionFolder(ctx, version)),
      rowsPath: path,
      score,
      interpreter: await versionInterpreter(ctx, version),
      signal: ctx.signal,
    });
    let next = 0;
    const alone = Float64Array.from(found.scores, (s, i) => (found.own[i] ? s : rescored[next++]!));
    const part = (from: number, to: number, of: ArrayLike<number>): Float64Array =>
      Float64Array.from({ length: to - from }, (_, i) => of[from + i]!);
    const figure = (from: number, to: number, scores: ArrayLike<number>) =>
      metrics[metric].compute({ labels: part(from, to, found.labels), scores: part(from, to, scores) });
    const before = (us: number): number => lowerBound(found.at, us);
    const [since, end] = [before(replaced.fromUs), found.at.length];
    return {
      version: first,
      method: `batch predictions of version ${first} on the logged inputs, made afterwards`,
      windows: windows.map((w) => ({ fromUs: w.fromUs, figure: figure(before(w.fromUs), before(w.toUs), alone) })),
      asAnswered: figure(since, end, found.scores),
      alone: figure(since, end, alone),
      difference: improvement(metric, part(since, end, found.labels), part(since, end, found.scores), part(since, end, alone)),
    };
  } finally {
    await rm(path, { force: true });
  }
}

/** The first place whose value is not below `us`. */
function lowerBound(sorted: readonly number[], us: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < us) low = middle + 1;
    else high = middle;
  }
  return low;
}
