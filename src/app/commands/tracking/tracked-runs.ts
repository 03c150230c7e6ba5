// gyre tracking: runs that training code logs.
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { exitCodes } from '../../../kernel/cli/exit-codes.ts';
import { count, table, type Column } from '../../../kernel/cli/terminal.ts';
import { act, type Program } from '../command.ts';
import { comparisonLines, shownNumber, type ComparisonReply } from './comparison.ts';
import { experimentId } from './experiment-id.ts';
import { purge, purgeOptions, type PurgeOptions } from './purge.ts';

export interface RunReply {
  readonly id: string;
  readonly info?: {
    readonly name: string;
    readonly experimentId: string;
    readonly status: string;
    readonly startedAt: string | null;
    readonly lifecycle: string;
  };
  readonly metrics?: Readonly<Record<string, { readonly value: number | 'NaN'; readonly step: number }>>;
  readonly params?: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
  readonly inputs?: readonly { readonly name: string; readonly digest: string }[];
}

interface SearchOptions {
  readonly experiment: readonly string[];
  readonly order: readonly string[];
  readonly field: readonly string[];
  readonly limit: string;
  readonly deleted?: true;
}
const several = (value: string, before: readonly string[]): string[] => [...before, value];
const RUN = ['<run>', 'a run’s id, as "gyre tracking search" lists it'] as const;

export function trackedRunCommands(program: Program, root: Command): void {
  const tracking = root.command('tracking').description('runs that training code logs; runs of pipelines are "gyre runs"');
  act<[string | undefined], SearchOptions>(
    program,
    tracking
      .command('search')
      .description('runs that fulfil an expression, the newest first')
      .argument('[filter]', `for example "metrics.auc > 0.8 AND (params.depth IN ('4', '6') OR tags.team IS NULL)"`)
      .option('--experiment <id or name>', 'only of it; may be repeated', several, [])
      .option('--order <by>', 'for example "metrics.auc DESC"; may be repeated', several, [])
      .option('--field <name>', 'a column: metrics.<key>, params.<key>, tags.<key>; may be repeated', several, [])
      .option('--deleted', 'deleted ones')
      .option('--limit <n>', 'how many', '50'),
    async (use, filter) => {
      const { options } = use;
      const client = use.client();
      const ids: string[] = [];
      for (const name of options.experiment) ids.push(await experimentId(client, name));
      const fields = options.field.length > 0 ? ['info', ...options.field] : ['info', 'metrics', 'params'];
      const found = await client.post<{ items: RunReply[]; count: number }>('/tracking-runs/search', {
        ...(ids.length > 0 ? { experimentIds: ids } : {}),
        ...(filter === undefined ? {} : { filter }),
        ...(options.order.length > 0 ? { orderBy: options.order } : {}),
        lifecycle: options.deleted ? 'deleted' : 'active',
        fields,
        count: true,
        limit: Number(options.limit),
      });
      const columns = ['metrics', 'params', 'tags'].flatMap((part) =>
        columnsOf(found.items, part as 'metrics', options.field.length > 0 ? 50 : 5),
      );
      use.print(found, () =>
        table(found.items, [
          { title: 'RUN', value: (r) => r.id },
          { title: 'NAME', value: (r) => r.info!.name },
          { title: 'STATUS', value: (r) => r.info!.status },
          { title: 'STARTED', value: (r) => r.info!.startedAt },
          ...columns,
        ]),
      );
      use.terminal.say(`${count(found.items.length)} of ${count(found.count)} runs`);
    },
  );
  act<[string | undefined], { experiment: readonly string[]; by?: string }>(
    program,
    tracking
      .command('count')
      .description('how many runs fulfil an expression')
      .argument('[filter]', 'as for "search"')
      .option('--experiment <id or name>', 'only of it; may be repeated', several, [])
      .option('--by <field>', 'for each value of status, experimentId, params.<key> or tags.<key>'),
    async (use, filter) => {
      const client = use.client();
      const ids: string[] = [];
      for (const name of use.options.experiment) ids.push(await experimentId(client, name));
      const found = await client.post<{ count: number; groups: { value: string | null; count: number }[] }>('/tracking-runs/count', {
        ...(ids.length > 0 ? { experimentIds: ids } : {}),
        ...(filter === undefined ? {} : { filter }),
        ...(use.options.by === undefined ? {} : { by: use.options.by }),
      });
      use.print(found, () => [
        ...table(found.groups, [
          { title: (use.options.by ?? '').toUpperCase(), value: (g) => g.value ?? '(none)' },
          { title: 'RUNS', value: (g) => count(g.count), right: true },
        ]),
        ...(use.options.by === undefined ? [String(found.count)] : []),
      ]);
    },
  );
  act<[string]>(
    program,
    tracking
      .command('show')
      .description('a run with its metrics, params, tags and inputs')
      .argument(...RUN),
    async (use, id) => {
      const r = await use.client().get<RunReply>(path`/tracking-runs/${id}`);
      use.print(r, () => [
        `${r.info!.name} (${r.id}): ${r.info!.status}, ${r.info!.lifecycle}, in experiment ${r.info!.experimentId}, begun ${r.info!.startedAt ?? '-'}`,
        ...Object.entries(r.metrics!).map(([key, m]) => `  metric ${key} = ${shownNumber(m.value)} at step ${m.step}`),
        ...Object.entries(r.params!).map(([key, value]) => `  param ${key} = ${value}`),
        ...Object.entries(r.tags!).map(([key, value]) => `  tag ${key} = ${value}`),
        ...r.inputs!.map((i) => `  input ${i.name} (${i.digest})`),
      ]);
    },
  );
  act<[string[]], { groupBy: readonly string[] }>(
    program,
    tracking
      .command('compare')
      .description('what differs between runs, and the mean of those that repeat each other')
      .argument('<run...>', 'ids of runs, at most 100')
      .option('--group-by <field>', 'params.<key>, tags.<key>, experimentId or status; may be repeated', several, []),
    async (use, runIds) => {
      const { groupBy } = use.options;
      const found = await use
        .client()
        .post<ComparisonReply>('/tracking-runs/compare', { runIds, ...(groupBy.length > 0 ? { groupBy } : {}) });
      use.print(found, () => comparisonLines(found));
    },
  );
  for (const verb of ['delete', 'restore'] as const)
    act<[string[]]>(
      program,
      tracking
        .command(verb)
        .description(verb === 'delete' ? 'delete runs; "restore" brings them back' : 'restore deleted runs')
        .argument('<run...>', 'ids of runs'),
      async (use, ids) => {
        for (const id of ids)
          if (verb === 'delete') await use.client().send('DELETE', path`/tracking-runs/${id}`);
          else await use.client().post(path`/tracking-runs/${id}/restore`);
        use.print({ ids }, () => ids.map((id) => `run ${id} is ${verb === 'delete' ? 'deleted' : 'active'}`));
      },
    );
  act<[string[]], PurgeOptions>(
    program,
    purgeOptions(tracking.command('purge').description('remove deleted runs for good').argument('<run...>', 'ids of deleted runs')),
    (use, runIds) => purge(use, { runIds }),
  );
  act<[string, string[]], { follow?: true; points: string }>(
    program,
    tracking
      .command('metrics')
      .description('points of a run’s metrics')
      .argument(...RUN)
      .argument('[key...]', 'otherwise all')
      .option('--follow', 'go on until the run has ended')
      .option('--points <n>', 'at most so many of each, evenly over the history', '20'),
    async (use, id, keys) => {
      const client = use.client();
      const run = await client.get<RunReply>(`${path`/tracking-runs/${id}`}?fields=metrics&fields=info`);
      const wanted = keys.length > 0 ? keys : Object.keys(run.metrics!).slice(0, 20);
      const line = (p: { key: string; step: number; timestampMs: number; value: number | 'NaN' }): void =>
        use.terminal.out(use.options.json ? JSON.stringify(p) : `${p.key}  step ${p.step}  ${shownNumber(p.value)}`);
      if (!use.options.follow) {
        if (wanted.length === 0) return exitCodes.ok;
        const query = new URLSearchParams([
          ['run', id],
          ['points', use.options.points],
          ...wanted.map((k): [string, string] => ['key', k]),
        ]);
        const { items } = await client.get<{
          items: { key: string; points: { step: number; timestampMs: number; value: number | 'NaN' }[] }[];
        }>(`/tracking-metrics/sample?${query}`);
        for (const { key, points } of items) for (const p of points) line({ key, ...p });
        return exitCodes.ok;
      }
      let last: string | undefined;
      // The server ends a stream now and then, so that whoever may no longer read it does not go on.
      for (;;) {
        const query = new URLSearchParams([['from', 'latest'], ...keys.map((k): [string, string] => ['key', k])]);
        for await (const e of client.events(`${path`/tracking-runs/${id}/metrics/live`}?${query}`, last)) {
          last = e.id;
          const data = e.data as { key: string; points: { step: number; timestampMs: number; value: number | 'NaN' }[]; status: string };
          if (e.event === 'points') for (const p of data.points) line({ key: data.key, ...p });
          if (e.event === 'end') {
            use.terminal.say(`the run is ${data.status}`);
            return exitCodes.ok;
          }
        }
      }
    },
  );
}

function columnsOf(runs: readonly RunReply[], part: 'metrics' | 'params' | 'tags', most: number): Column<RunReply>[] {
  const keys = [...new Set(runs.flatMap((r) => Object.keys(r[part] ?? {})))].sort().slice(0, most);
  return keys.map((key) => ({
    title: key,
    value: (r) => {
      const held = r[part]?.[key];
      return held === undefined ? null : typeof held === 'string' ? held : shownNumber(held.value);
    },
    ...(part === 'metrics' ? { right: true as const } : {}),
  }));
}
