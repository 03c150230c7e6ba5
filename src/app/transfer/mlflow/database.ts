// MLflow's database, of any version since 1.0.
import type { Settings } from '../../../kernel/config/settings.ts';
import type { TakenModel } from '../../../domains/registry/public.ts';
import { inOrder, type Point } from '../../../domains/transfers/public.ts';
import { fail } from '../errors.ts';
import { filesAt } from '../local-files.ts';
import type { Source, SourceExperiment, SourceLoggedModel, SourceMetric, SourceRun } from '../source.ts';
import type { Row, Tables } from './sql-tables.ts';
import {
  isDeletedVersion,
  lifecycleOf,
  loggedModelIn,
  modelStatusOf,
  numberOrNull,
  runStatusOf,
  stageOf,
  text,
  textOrNull,
} from './words.ts';

const NEEDED = { experiments: 'name', runs: 'lifecycle_stage', metrics: 'is_nan', params: 'value', tags: 'value' } as const;
/** What it may have and nobody here takes. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  trace_info: 'traces',
  assessments: 'assessments',
  evaluation_datasets: 'evaluation datasets',
  webhooks: 'webhooks',
  scorers: 'scorers',
  endpoints: 'gateway endpoints',
  issues: 'issues',
  users: 'users',
};

export interface DatabaseOptions {
  /** How it is called, without secrets. */
  readonly place: string;
  /** Folder that relative locations begin at. */
  readonly base: string;
  readonly artifacts?: string | undefined;
  /** Of those that a database with workspaces has. */
  readonly workspace: string;
  readonly settings: () => Settings;
}

const pair = (r: Row) => ({ key: text(r.key), value: text(r.value) });
// MLflow writes infinities as the largest numbers, and NaN as 0 with a mark.
const valueOf = (r: Row): number => (r.is_nan ? Number.NaN : Number(r.value));

/** Raises `import-source-too-old`. */
export async function openDatabase(tables: Tables, { place, base, artifacts, workspace, settings }: DatabaseOptions): Promise<Source> {
  for (const [table, column] of Object.entries(NEEDED))
    if (!(await tables.has(table, column)))
      fail('import-source-too-old', { place, missing: (await tables.has(table)) ? `column ${table}.${column}` : `table ${table}` });
  // Databases of today say whose each thing is.
  const mine = { workspace };

  const inputsOf = async (run: Row) => {
    const found = [];
    const columns = ['name', 'digest', 'dataset_source_type', 'dataset_source', 'dataset_schema', 'dataset_profile'];
    const of = { source_type: 'DATASET', destination_id: text(run.run_uuid) };
    for (const i of await tables.rows('inputs', ['input_uuid', 'source_id'], of))
      for (const d of await tables.rows('datasets', columns, { dataset_uuid: text(i.source_id) }))
        found.push({
          name: text(d.name),
          digest: text(d.digest),
          sourceType: text(d.dataset_source_type),
          source: text(d.dataset_source),
          schema: d.dataset_schema === null ? null : text(d.dataset_schema),
          profile: d.dataset_profile === null ? null : text(d.dataset_profile),
          tags: (await tables.rows('input_tags', ['name', 'value'], { input_uuid: text(i.input_uuid) })).map((t) => ({
            key: text(t.name),
            value: text(t.value),
          })),
        });
    return found;
  };

  const linksOf = async (run: Row) => {
    const found = [];
    for (const role of ['input', 'output'] as const) {
      const of = { source_type: `RUN_${role.toUpperCase()}`, source_id: text(run.run_uuid) };
      for (const l of await tables.rows('inputs', ['destination_id', 'step'], of))
        found.push({ id: text(l.destination_id), role, step: Number(l.step ?? 0) });
    }
    return found;
  };

  const toRun = async (r: Row): Promise<SourceRun> => {
    const of = { run_uuid: text(r.run_uuid) };
    const tags = (await tables.rows('tags', ['key', 'value'], of)).map(pair);
    return {
      id: of.run_uuid,
      experimentId: text(r.experiment_id),
      name: text(r.name) || text(tags.find((t) => t.key === 'mlflow.runName')?.value),
      userId: text(r.user_id),
      status: runStatusOf(r.status),
      startMs: numberOrNull(r.start_time),
      endMs: numberOrNull(r.end_time),
      lifecycle: lifecycleOf(r.lifecycle_stage),
      deletedMs: numberOrNull(r.deleted_time),
      artifactUri: text(r.artifact_uri),
      params: (await tables.rows('params', ['key', 'value'], of)).map(pair),
      tags,
      inputs: await inputsOf(r),
      models: await linksOf(r),
    };
  };

  const toModel = async (m: Row): Promise<SourceLoggedModel> => {
    const of = { model_id: text(m.model_id) };
    const entries = async (kind: 'param' | 'tag') =>
      (await tables.rows(`logged_model_${kind}s`, [`${kind}_key`, `${kind}_value`], of)).map((e) => ({
        key: text(e[`${kind}_key`]),
        value: text(e[`${kind}_value`]),
      }));
    const metric = ['metric_name', 'metric_timestamp_ms', 'metric_step', 'metric_value', 'run_id', 'dataset_name', 'dataset_digest'];
    return {
      id: of.model_id,
      experimentId: text(m.experiment_id),
      name: text(m.name),
      modelType: text(m.model_type),
      sourceRunId: textOrNull(m.source_run_id),
      status: modelStatusOf(m.status),
      statusMessage: text(m.status_message),
      artifactUri: text(m.artifact_location),
      createdMs: Number(m.creation_timestamp_ms),
      updatedMs: Number(m.last_updated_timestamp_ms),
      lifecycle: lifecycleOf(m.lifecycle_stage),
      params: await entries('param'),
      tags: await entries('tag'),
      metrics: (await tables.rows('logged_model_metrics', metric, of)).map((x) => ({
        key: text(x.metric_name),
        value: x.metric_value === null ? Number.NaN : Number(x.metric_value),
        timestampMs: Number(x.metric_timestamp_ms),
        step: Number(x.metric_step),
        runId: text(x.run_id),
        datasetName: textOrNull(x.dataset_name),
        datasetDigest: textOrNull(x.dataset_digest),
      })),
    };
  };

  const toRegistered = async (m: Row): Promise<TakenModel> => {
    const of = { name: text(m.name), ...mine };
    const createdMs = Number(m.creation_time ?? 0);
    const version = [
      ...['version', 'creation_time', 'last_updated_time', 'description', 'current_stage', 'source', 'run_id'],
      ...['run_link', 'storage_location'],
    ];
    const all = await tables.rows('model_versions', version, of, 'version');
    const tagsOf = async (number: number) =>
      (await tables.rows('model_version_tags', ['key', 'value'], { ...of, version: number })).map(pair);
    return {
      name: of.name,
      description: text(m.description),
      createdMs,
      updatedMs: Number(m.last_updated_time ?? createdMs),
      lastNumber: Math.max(0, ...all.map((v) => Number(v.version))),
      tags: (await tables.rows('registered_model_tags', ['key', 'value'], of)).map(pair),
      aliases: (await tables.rows('registered_model_aliases', ['alias', 'version'], of)).map((a) => ({
        alias: text(a.alias),
        number: Number(a.version),
      })),
      versions: await Promise.all(
        all
          .filter((v) => !isDeletedVersion(v.current_stage))
          .map(async (v) => ({
            number: Number(v.version),
            createdMs: Number(v.creation_time ?? 0),
            updatedMs: Number(v.last_updated_time ?? v.creation_time ?? 0),
            description: textOrNull(v.description),
            stage: stageOf(v.current_stage),
            source: text(v.source),
            location: textOrNull(v.storage_location),
            trackingRunId: textOrNull(v.run_id),
            loggedModelId: loggedModelIn(v.source, v.storage_location),
            runLink: textOrNull(v.run_link),
            tags: await tagsOf(Number(v.version)),
          })),
      ),
    };
  };

  return {
    origin: 'mlflow',
    place,
    faults: [],
    experiments: async () => {
      const columns = ['experiment_id', 'name', 'artifact_location', 'lifecycle_stage', 'creation_time', 'last_update_time'];
      const found: SourceExperiment[] = [];
      for (const e of await tables.rows('experiments', columns, mine, 'experiment_id'))
        found.push({
          id: text(e.experiment_id),
          name: text(e.name),
          artifactLocation: text(e.artifact_location),
          lifecycle: lifecycleOf(e.lifecycle_stage),
          createdMs: Number(e.creation_time ?? 0),
          updatedMs: Number(e.last_update_time ?? e.creation_time ?? 0),
          tags: (await tables.rows('experiment_tags', ['key', 'value'], { experiment_id: text(e.experiment_id) })).map(pair),
        });
      return found;
    },
    async *runs(experiment) {
      const of = { experiment_id: experiment.id };
      const columns = [
        'run_uuid',
        'name',
        'user_id',
        'status',
        'start_time',
        'end_time',
        'lifecycle_stage',
        'artifact_uri',
        'experiment_id',
      ];
      for (const row of await tables.rows('runs', [...columns, 'deleted_time'], of, 'start_time, run_uuid')) yield await toRun(row);
    },
    async *metrics(run): AsyncGenerator<SourceMetric> {
      // By the table's key, so that a run of millions of points is never held at once.
      const keys = ['key', 'timestamp', 'step', 'value', 'is_nan'];
      for await (const rows of tables.pages('metrics', keys, { run_uuid: run.id }, keys))
        for (const [key, own] of Map.groupBy(rows, (r) => text(r.key)))
          yield { key, points: inOrder(own.map((r): Point => [Number(r.timestamp), Number(r.step ?? 0), valueOf(r)])) };
    },
    async *loggedModels(experiment) {
      const columns = ['model_id', 'experiment_id', 'name', 'artifact_location', 'creation_timestamp_ms', 'last_updated_timestamp_ms'];
      const more = ['status', 'lifecycle_stage', 'model_type', 'source_run_id', 'status_message'];
      for (const row of await tables.rows('logged_models', [...columns, ...more], { experiment_id: experiment.id }))
        yield await toModel(row);
    },
    async *models() {
      const columns = ['name', 'creation_time', 'last_updated_time', 'description'];
      for (const row of await tables.rows('registered_models', columns, mine, 'name')) yield await toRegistered(row);
    },
    artifacts: ({ of }) => filesAt(of.artifactUri, { root: artifacts, base, settings }),
    leftOut: async () => {
      const found: [string, number][] = [];
      for (const [table, what] of Object.entries(LEFT_OUT)) found.push([what, await tables.count(table)]);
      if (await tables.has('experiments', 'workspace'))
        found.push(['experiments of other workspaces', (await tables.count('experiments')) - (await tables.count('experiments', mine))]);
      return Object.fromEntries(found.filter(([, n]) => n > 0));
    },
    close: () => tables.close(),
  };
}
