// Labels by a query over a dataset, on a schedule of event time: what the dataset's current version knows by now of
// predictions without a label, or with another one, becomes a batch like any other.
import { mkdir, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { sqlName, sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { currentVersion, stageFiles, stageVersion, type DatasetVersion } from '../../datasets/public.ts';
import { currentRevision, endpointOf, type LabelQuery, type MonitorDefinition } from '../../projects/public.ts';
import { columnsOf, inferenceFiles, rowTexts } from '../../serving/public.ts';
import { horizonOf } from '../model.ts';
import { listJoined } from '../store/joined-files.ts';
import { findMonitor, setQueried } from '../store/monitors.ts';
import { acceptBatch } from './accept.ts';
import { loggedText, placeOf } from './join-sql.ts';

/** True if new labels were accepted. A query that fails is told as an event and asked again when it is due next. */
export async function queryLabels(ctx: Ctx, project: string, monitor: MonitorDefinition, nowUs: number): Promise<boolean> {
  const { from, everyUs } = monitor.labels;
  if (from === 'feedback') return false;
  const of = { project, monitor: monitor.name };
  const { queriedUs = null } = (await findMonitor(ctx.db, ctx.workspace, of)) ?? {};
  if (queriedUs !== null && Math.floor(queriedUs / everyUs) >= Math.floor(nowUs / everyUs)) return false;
  const folder = join(ctx.settings.dir, 'compute', 'made', randomBytes(8).toString('hex'));
  await mkdir(folder, { recursive: true });
  try {
    const taken = await ask(ctx, project, monitor, from, nowUs, folder);
    await ctx.tx((tx) => setQueried(tx.db, tx.workspace, of, nowUs));
    return taken;
  } catch (error) {
    // What the project's author caused must not keep the windows from closing.
    if (!isProblem(error) || error.status >= 500) throw error;
    ctx.log.warn({ event: 'feedback.query-failed', monitor: monitor.name, error });
    await ctx.tx(async (tx) => {
      await setQueried(tx.db, tx.workspace, of, nowUs);
      await tx.emit({
        type: 'feedback.query-failed',
        subject: { kind: 'monitor', id: `${project}/${monitor.name}` },
        project,
        payload: { monitor: monitor.name, dataset: from.dataset, code: error.code },
        occurredUs: nowUs,
      });
    });
    return false;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function ask(
  ctx: Ctx,
  project: string,
  monitor: MonitorDefinition,
  query: LabelQuery,
  nowUs: number,
  folder: string,
): Promise<boolean> {
  const fromUs = nowUs - horizonOf(monitor);
  const log = await inferenceFiles(ctx, { project, endpoint: endpointOf(monitor), fromUs, toUs: nowUs });
  if (log.length === 0) return false;
  const version = await versionOf(ctx, project, query.dataset);
  if (!version) return false;
  const { definition } = await currentRevision(ctx, project);
  const labelled = await listJoined(ctx.db, ctx.workspace, { project, monitor: monitor.name }, fromUs, nowUs);
  const path = join(folder, 'queried.ndjson');
  const logged = columnsOf(log);
  const { rows } = await ctx.compute.run(
    {
      what: `the labels of monitor ${monitor.name} from ${query.dataset}`,
      tables: {
        gyre_log: { files: await staged(ctx, log) },
        [query.dataset]: { files: await stageVersion(ctx, version) },
        ...(labelled.length > 0 ? { gyre_joined: { files: await staged(ctx, labelled) } } : {}),
      },
      writes: [path],
      statements: [
        {
          userSql: `select *, (${query.at ?? `timestamp '1970-01-01'`}\n)::timestamp as gyre_at, (${query.label}\n) as gyre_label, (${definition.datasets[query.dataset]?.knownAt ?? `timestamp '1900-01-01'`}\n)::timestamp as gyre_known from ${sqlName(query.dataset)}${query.where === null ? '' : ` where (${query.where}\n)`}`,
          into: { table: 'gyre_chosen' },
          where: `gyre_label is not null and epoch_us(gyre_known) <= ${nowUs}${query.at === null ? '' : ` and epoch_us(gyre_at) between ${fromUs} and ${nowUs}`}`,
        },
        {
          sql: `create table gyre_truth as select ${query.key.map((k, i) => `${keyText(version, logged, k)} as k${i}, `).join('')}epoch_us(gyre_at) as at_us, max(epoch_us(gyre_known)) as known_us,
            any_value(case when typeof(gyre_label) = 'BOOLEAN' then (gyre_label::varchar = 'true')::integer::double else try_cast(gyre_label::varchar as double) end) as label
            from gyre_chosen group by all having count(*) = 1`,
        },
        {
          sql: `create table gyre_newest as ${
            labelled.length > 0
              ? `select prediction_id, label from gyre_joined where event_us between ${fromUs} and ${nowUs} qualify row_number() over (partition by prediction_id order by seq desc) = 1`
              : `select null::varchar as prediction_id, null::double as label where false`
          }`,
        },
        {
          sql: `create table gyre_new as select p.id, t.label, t.known_us, p.at_us
            from (select id, "eventTimeUs" as at_us${query.key.map((k, i) => `, ${loggedText(logged, k)} as k${i}`).join('')} from gyre_log where "eventTimeUs" between ${fromUs} and ${nowUs}) p
            join gyre_truth t on ${[...query.key.map((_, i) => `p.k${i} = t.k${i}`), ...(query.at === null ? [] : ['p.at_us = t.at_us'])].join(' and ')}
            left join gyre_newest n on n.prediction_id = p.id where t.label is not null and isfinite(t.label) and n.label is distinct from t.label`,
        },
        {
          // A dataset that says nothing of when a row became known has known it all along.
          sql: `copy (select id as prediction_id, label, case when known_us > 100000000000000 then known_us end as observed_at from gyre_new order by at_us, id) to ${sqlText(path)} (format json)`,
        },
      ],
      rows: 'select count(*) as n from gyre_new',
    },
    ctx.signal,
  );
  if (rows[0]!.n === 0) return false;
  const { duplicate } = await acceptBatch(ctx, {
    project,
    monitor,
    rows: rowTexts({ path, format: 'ndjson' }),
    place: (n) => `row ${n}`,
    personal: new Set(),
    folder,
    datasetVersion: version.id,
  });
  return !duplicate;
}

const staged = (ctx: Ctx, files: readonly { readonly digest: string }[]): Promise<string[]> =>
  stageFiles(ctx, [...new Set(files.map((f) => f.digest))]);

async function versionOf(ctx: Ctx, project: string, dataset: string): Promise<DatasetVersion | undefined> {
  try {
    return await currentVersion(ctx, project, dataset);
  } catch (error) {
    if (isProblem(error, 'dataset-empty')) return undefined;
    throw error;
  }
}

/** A key column of the dataset as the text that the log has for it. */
function keyText(version: DatasetVersion, logged: Parameters<typeof placeOf>[0], key: string): string {
  const type = version.columns.find((c) => c.name === key)?.type ?? '';
  const text = `${sqlName(key)}::varchar`;
  const isNumber = /^(FLOAT|DOUBLE|DECIMAL)/.test(type) || placeOf(logged, key)?.type === 'number';
  return isNumber ? `regexp_replace(${text}, '\\.0+$', '')` : text;
}
