// What differs between runs, as data; and where some of them repeat each other, how sure their mean is.
import type { Ctx } from '../../../../kernel/ctx.ts';
import { meanInterval } from '../../../../stats/intervals.ts';
import { momentsOf } from '../../../../stats/moments.ts';
import { recogniseVersions, type Recognised } from '../../../datasets/public.ts';
import { fail } from '../../errors.ts';
import { type Metric, type Pair, type TrackingRun } from '../../model.ts';
import { rangesOf, type Range } from '../../store/ranges.ts';
import { dataOf, inputsOf, linksOf, type RunInput } from '../../store/runs.ts';
import { environmentOf, type RecordedEnvironment } from './environment-of.ts';
import { getRun } from '../runs.ts';

type Row<T> = { readonly key: string; readonly values: readonly (T | null)[] };

export interface Code {
  readonly commit: string | null;
  readonly branch: string | null;
  readonly source: string | null;
  /** Whether there were changes that no commit holds; null if nobody wrote it down. */
  readonly dirty: boolean | null;
  /** A digest of these changes, or of all code where there is no repository. */
  readonly digest: string | null;
}

export interface Values {
  readonly last: number;
  readonly step: number;
  readonly least: number | null;
  readonly greatest: number | null;
  readonly points: number;
}

export interface Group {
  readonly runs: readonly string[];
  readonly by: Readonly<Record<string, string | null>>;
  readonly metrics: readonly {
    readonly key: string;
    readonly n: number;
    readonly mean: number | null;
    readonly deviation: number | null;
    readonly interval: { readonly low: number; readonly high: number; readonly level: number; readonly method: string } | null;
    /** Why there is no interval. */
    readonly because: string | null;
    /** Runs of which the value is NaN or infinite; they are in no mean. */
    readonly notFinite: number;
  }[];
}

export interface Comparison {
  readonly runs: readonly TrackingRun[];
  readonly params: readonly Row<string>[];
  readonly sameParams: number;
  readonly tags: readonly Row<string>[];
  readonly environment: { readonly of: readonly RecordedEnvironment[]; readonly packages: readonly Row<string>[] };
  readonly data: readonly Row<readonly { digest: string; versions: readonly Recognised[] }[]>[];
  readonly sameData: readonly string[];
  readonly code: readonly Code[];
  readonly metrics: readonly Row<Values>[];
  readonly groups: readonly Group[];
  /** How the groups came about: what was asked, or params left aside because they only seed. */
  readonly grouping: { readonly how: 'asked' | 'repeats'; readonly seeds: readonly string[] };
}

export interface CompareAsked {
  readonly runIds: readonly string[];
  readonly groupBy: readonly string[] | undefined;
}

interface Facts {
  readonly run: TrackingRun;
  readonly metrics: ReadonlyMap<string, Metric>;
  readonly params: ReadonlyMap<string, string>;
  readonly tags: readonly Pair[];
  readonly inputs: readonly RunInput[];
  readonly code: Code;
}

const SEEDS = /(^|[^a-z])(seed|random_?state|rng|repeat|repetition|replicate|replication)s?($|[^a-z])/i;
// Shown in another place, or different for every run.
const OWN_TAGS = /^(mlflow\.(runName|log-model\.history|parentRunId|source\.|git\.)|gyre\.(code\.|python\.|wall_s|cpu_s|peak_rss_bytes))/;

/** Raises `tracking-run-not-found`, `field-unknown`, `level-too-low`. */
export async function compareRuns(ctx: Ctx, asked: CompareAsked): Promise<Comparison> {
  const runs: TrackingRun[] = [];
  for (const id of new Set(asked.runIds)) runs.push(await getRun(ctx, id));
  const ids = runs.map((r) => r.id);
  const data = await dataOf(ctx.db, ctx.workspace, ids);
  const inputs = await inputsOf(ctx.db, ctx.workspace, ids);
  const links = await linksOf(ctx.db, ctx.workspace, ids);
  const facts = runs.map((run): Facts => {
    const { metrics, params, tags } = data.get(run.id)!;
    return {
      run,
      metrics: new Map(metrics.map((m) => [m.key, m])),
      params: new Map(params.map((p) => [p.key, p.value])),
      tags,
      inputs: inputs.get(run.id) ?? [],
      code: codeIn(tags),
    };
  });
  const params = rowsOf(facts, (f) => f.params);
  const environments: RecordedEnvironment[] = [];
  for (const f of facts) environments.push(await environmentOf(ctx, f.run, f.tags, links.get(f.run.id) ?? []));
  const read = await dataRows(ctx, facts);
  const grouping = asked.groupBy ? groupsBy(facts, asked.groupBy) : repeats(facts);
  return {
    runs,
    params: params.filter(differs),
    sameParams: params.length - params.filter(differs).length,
    tags: rowsOf(facts, (f) => new Map(f.tags.filter((t) => !OWN_TAGS.test(t.key)).map((t) => [t.key, t.value]))).filter(differs),
    environment: {
      of: environments,
      packages: rowsOf(
        environments,
        (e) => new Map(Object.entries(e.packages).map(([name, version]) => [name, version ?? '(any)'])),
      ).filter(differs),
    },
    data: read.filter(differs),
    sameData: read.filter((r) => !differs(r)).map((r) => r.key),
    code: facts.map((f) => f.code),
    metrics: await metricRows(ctx, facts),
    groups: grouping.groups.map((g) => groupOf(g.of, g.by)),
    grouping: { how: asked.groupBy ? 'asked' : 'repeats', seeds: grouping.seeds },
  };
}

function rowsOf<F, T>(all: readonly F[], of: (f: F) => ReadonlyMap<string, T>): Row<T>[] {
  const maps = all.map(of);
  const keys = [...new Set(maps.flatMap((m) => [...m.keys()]))].sort();
  return keys.map((key) => ({ key, values: maps.map((m) => m.get(key) ?? null) }));
}

const differs = ({ values }: Row<unknown>): boolean => values.some((v) => JSON.stringify(v) !== JSON.stringify(values[0]));

function codeIn(tags: readonly Pair[]): Code {
  const tag = (...keys: string[]): string | null => keys.map((k) => tags.find((t) => t.key === k)?.value).find((v) => v) ?? null;
  const dirty = tag('mlflow.source.git.dirty', 'mlflow.git.dirty');
  return {
    commit: tag('mlflow.source.git.commit', 'mlflow.git.commit'),
    branch: tag('mlflow.source.git.branch', 'mlflow.git.branch', 'mlflow.source.branch'),
    source: tag('mlflow.source.name'),
    dirty: dirty === null ? null : /^(true|1)$/i.test(dirty),
    digest: tag('gyre.code.diff_sha256', 'gyre.code.sha256'),
  };
}

const MOST_RECOGNISED = 500;

async function dataRows(ctx: Ctx, facts: readonly Facts[]) {
  let left = MOST_RECOGNISED;
  const known = new Map<string, readonly Recognised[]>();
  const versions = async (i: RunInput): Promise<readonly Recognised[]> => {
    const key = JSON.stringify([i.name, i.digest, i.source]);
    if (!known.has(key)) known.set(key, left-- > 0 ? await recogniseVersions(ctx, [i]) : []);
    return known.get(key)!;
  };
  const maps: Map<string, { digest: string; versions: readonly Recognised[] }[]>[] = [];
  for (const f of facts) {
    const map = new Map<string, { digest: string; versions: readonly Recognised[] }[]>();
    for (const i of f.inputs) map.set(i.name, [...(map.get(i.name) ?? []), { digest: i.digest, versions: await versions(i) }]);
    maps.push(map);
  }
  return rowsOf(maps, (m) => m);
}

/** So many points are looked at for least and greatest values; beyond them there are only the last. */
const MOST_POINTS = 2_000_000;

async function metricRows(ctx: Ctx, facts: readonly Facts[]): Promise<Row<Values>[]> {
  let looked = 0;
  const maps: Map<string, Values>[] = [];
  for (const f of facts) {
    const ranges = new Map<string, Range>();
    if (looked < MOST_POINTS) for (const r of await rangesOf(ctx.db, ctx.workspace, f.run.id)) ranges.set(r.key, r);
    looked += [...ranges.values()].reduce((n, r) => n + r.points, 0);
    // A long history takes a while, and others wait.
    await new Promise((resolve) => setImmediate(resolve));
    maps.push(
      new Map(
        [...f.metrics].map(([key, m]) => {
          const range = ranges.get(key);
          return [
            key,
            { last: m.value, step: m.step, least: range?.least ?? null, greatest: range?.greatest ?? null, points: range?.points ?? 0 },
          ];
        }),
      ),
    );
  }
  return rowsOf(maps, (m) => m);
}

interface Grouping {
  readonly groups: readonly { readonly of: readonly Facts[]; readonly by: Readonly<Record<string, string | null>> }[];
  readonly seeds: readonly string[];
}

function groupsBy(facts: readonly Facts[], fields: readonly string[]): Grouping {
  const valueOf = (f: Facts, field: string): string | null => {
    const [, entity, key = ''] = /^(params|tags)\.(.+)$/s.exec(field) ?? [];
    if (entity === 'params') return f.params.get(key) ?? null;
    if (entity === 'tags') return f.tags.find((t) => t.key === key)?.value ?? null;
    if (field === 'experimentId') return f.run.experimentId;
    if (field === 'status') return f.run.status;
    return fail('field-unknown', { field, known: 'experimentId, status, params.<key>, tags.<key> to group by' });
  };
  const groups = Map.groupBy(facts, (f) => JSON.stringify(fields.map((field) => valueOf(f, field))));
  return {
    seeds: [],
    groups: [...groups.values()].map((of) => ({ of, by: Object.fromEntries(fields.map((field) => [field, valueOf(of[0]!, field)])) })),
  };
}

/** Runs that differ in nothing that is on record but what only seeds. */
function repeats(facts: readonly Facts[]): Grouping {
  const seeds = new Set(facts.flatMap((f) => [...f.params.keys()].filter((key) => SEEDS.test(key))));
  const sameAs = (f: Facts): string =>
    JSON.stringify([
      f.run.experimentId,
      [...f.params].filter(([key]) => !seeds.has(key)),
      f.inputs.map((i) => [i.name, i.digest]),
      f.code,
      // Changes that nobody kept may be any.
      f.code.dirty === true && f.code.digest === null ? f.run.id : '',
    ]);
  const groups = [...Map.groupBy(facts, sameAs).values()].filter((of) => of.length > 1);
  return { seeds: [...seeds].sort(), groups: groups.map((of) => ({ of, by: {} })) };
}

const isFinite = (value: number): boolean => Number.isFinite(value) && Math.abs(value) < Number.MAX_VALUE;

function groupOf(of: readonly Facts[], by: Readonly<Record<string, string | null>>): Group {
  const keys = [...new Set(of.flatMap((f) => [...f.metrics.keys()]))].sort();
  return {
    runs: of.map((f) => f.run.id),
    by,
    metrics: keys.map((key) => {
      const all = of.flatMap((f) => f.metrics.get(key)?.value ?? []);
      const values = all.filter(isFinite);
      const moments = momentsOf(values.length, (i) => values[i]!);
      const interval = moments.m2 > 0 ? meanInterval(moments) : undefined;
      return {
        key,
        n: values.length,
        mean: values.length === 0 ? null : moments.mean,
        deviation: values.length < 2 ? null : Math.sqrt(moments.m2 / (values.length - 1)),
        interval: interval ?? null,
        because: interval
          ? null
          : values.length < 2
            ? 'fewer than two values say nothing about how they vary'
            : 'all values are the same, so they do not vary by chance',
        notFinite: all.length - values.length,
      };
    }),
  };
}
