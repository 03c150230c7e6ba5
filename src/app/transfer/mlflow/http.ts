// What a server tells of itself through MLflow's protocol. Its replies are not trusted: names of files are checked before
// anything is done with them, by whoever writes them too.
import { safeParts } from '../../../kernel/blobs/path-zone.ts';
import type { Pair } from '../../../domains/tracking/public.ts';
import type { TakenModel } from '../../../domains/registry/public.ts';
import { inOrder } from '../../../domains/transfers/public.ts';
import type { Owner, Source, SourceExperiment, SourceFile, SourceLoggedModel, SourceMetric, SourceRun } from '../source.ts';
import { ahead } from './ahead.ts';
import { shortHistories, wholeHistory, type Histories } from './histories.ts';
import { openServer, type Server, type ServerOptions } from './server.ts';
import { lifecycleOf, loggedModelIn, modelStatusOf, numberOrNull, runStatusOf, stageOf, text, textOrNull } from './words.ts';

type Json = Readonly<Record<string, unknown>>;
const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);
const pairs = (value: unknown): Pair[] => list(value).map((t) => ({ key: text(t.key), value: text(t.value) }));
const PAGE = 100;

/** Page after page, until there is no token. */
async function* pages(ask: (token: string) => Promise<Json>): AsyncGenerator<Json> {
  for (let token = ''; ;) {
    const page = await ask(token);
    yield page;
    token = text(page.next_page_token);
    if (token === '') return;
  }
}

const toRun = (run: Json): SourceRun => {
  const info = run.info as Json;
  const data = (run.data ?? {}) as Json;
  const inputs = (run.inputs ?? {}) as Json;
  const outputs = (run.outputs ?? {}) as Json;
  const tags = pairs(data.tags);
  const lifecycle = lifecycleOf(info.lifecycle_stage);
  return {
    id: text(info.run_id ?? info.run_uuid),
    experimentId: text(info.experiment_id),
    name: text(info.run_name) || text(tags.find((t) => t.key === 'mlflow.runName')?.value),
    userId: text(info.user_id),
    status: runStatusOf(info.status),
    startMs: numberOrNull(info.start_time),
    endMs: numberOrNull(info.end_time),
    lifecycle,
    // The protocol does not say when.
    deletedMs: lifecycle === 'deleted' ? Date.now() : null,
    artifactUri: text(info.artifact_uri),
    params: pairs(data.params),
    tags,
    inputs: list(inputs.dataset_inputs).map((i) => {
      const d = i.dataset as Json;
      return {
        name: text(d.name),
        digest: text(d.digest),
        sourceType: text(d.source_type),
        source: text(d.source),
        schema: d.schema === undefined ? null : text(d.schema),
        profile: d.profile === undefined ? null : text(d.profile),
        tags: pairs(i.tags),
      };
    }),
    models: [
      ...list(inputs.model_inputs).map((m) => ({ id: text(m.model_id), role: 'input' as const, step: 0 })),
      ...list(outputs.model_outputs).map((m) => ({ id: text(m.model_id), role: 'output' as const, step: Number(m.step ?? 0) })),
    ],
  };
};

const toLoggedModel = ({ info, data }: { info: Json; data?: Json }): SourceLoggedModel => {
  const createdMs = Number(info.creation_timestamp_ms ?? 0);
  return {
    id: text(info.model_id),
    experimentId: text(info.experiment_id),
    name: text(info.name),
    modelType: text(info.model_type),
    sourceRunId: textOrNull(info.source_run_id),
    status: modelStatusOf(info.status),
    statusMessage: text(info.status_message),
    artifactUri: text(info.artifact_uri),
    createdMs,
    updatedMs: Number(info.last_updated_timestamp_ms ?? createdMs),
    lifecycle: 'active',
    params: pairs(data?.params),
    tags: pairs(info.tags),
    metrics: list(data?.metrics).map((m) => ({
      key: text(m.key),
      value: Number(m.value ?? 0),
      timestampMs: Number(m.timestamp ?? 0),
      step: Number(m.step ?? 0),
      runId: text(m.run_id),
      datasetName: textOrNull(m.dataset_name),
      datasetDigest: textOrNull(m.dataset_digest),
    })),
  };
};

async function toRegistered(server: Server, name: string, isPrompt: boolean): Promise<TakenModel> {
  const model = (await server.get<{ registered_model: Json }>('registered-models/get', { name })).registered_model;
  const quote = name.includes("'") ? '"' : "'";
  const filter = `name = ${quote}${name}${quote}${isPrompt ? " AND tags.`mlflow.prompt.is_prompt` = 'true'" : ''}`;
  const versions: Json[] = [];
  for await (const page of pages((token) =>
    server.get('model-versions/search', { filter, max_results: '1000', ...(token === '' ? {} : { page_token: token }) }),
  ))
    versions.push(...list(page.model_versions));
  const createdMs = Number(model.creation_timestamp ?? 0);
  return {
    name,
    description: text(model.description),
    createdMs,
    updatedMs: Number(model.last_updated_timestamp ?? createdMs),
    lastNumber: Math.max(0, ...versions.map((v) => Number(v.version))),
    tags: pairs(model.tags),
    aliases: list(model.aliases).map((a) => ({ alias: text(a.alias), number: Number(a.version) })),
    versions: versions
      .map((v) => ({
        number: Number(v.version),
        createdMs: Number(v.creation_timestamp ?? 0),
        updatedMs: Number(v.last_updated_timestamp ?? v.creation_timestamp ?? 0),
        description: textOrNull(v.description),
        stage: stageOf(v.current_stage),
        source: text(v.source),
        location: null,
        trackingRunId: textOrNull(v.run_id),
        loggedModelId: textOrNull(v.model_id) ?? loggedModelIn(v.source),
        runLink: textOrNull(v.run_link),
        tags: pairs(v.tags),
      }))
      .sort((a, b) => a.number - b.number),
  };
}

export interface HttpOptions extends ServerOptions {
  readonly origin: 'mlflow' | 'gyre';
}

export function openHttp({ origin, ...options }: HttpOptions): Source {
  const server = openServer(options);
  const keysOf = new Map<string, string[]>();
  let histories: Histories = new Map();
  let hasModels = true;

  async function* walk(
    ask: (path: string) => Promise<Json[]>,
    open: (path: string) => SourceFile['open'],
    folder = '',
  ): AsyncGenerator<SourceFile> {
    for (const file of await ask(folder)) {
      const path = text(file.path);
      // A server that leads elsewhere, or round in circles, is not followed.
      safeParts(path);
      if (folder !== '' && !path.startsWith(`${folder}/`)) continue;
      if (file.is_dir === true) yield* walk(ask, open, path);
      else yield { path, sizeBytes: Number(file.file_size ?? 0), open: open(path) };
    }
  }

  return {
    origin,
    place: server.place,
    faults: [],
    experiments: async () => {
      const found: SourceExperiment[] = [];
      for await (const page of pages((token) =>
        server.post('experiments/search', { max_results: 1000, view_type: 'ALL', ...(token === '' ? {} : { page_token: token }) }),
      ))
        for (const e of list(page.experiments))
          found.push({
            id: text(e.experiment_id),
            name: text(e.name),
            artifactLocation: text(e.artifact_location),
            lifecycle: lifecycleOf(e.lifecycle_stage),
            createdMs: Number(e.creation_time ?? 0),
            updatedMs: Number(e.last_update_time ?? e.creation_time ?? 0),
            tags: pairs(e.tags),
          });
      return found.toSorted((a, b) => a.id.length - b.id.length || (a.id < b.id ? -1 : 1));
    },
    async *runs(experiment) {
      const search = { experiment_ids: [experiment.id], run_view_type: 'ALL', max_results: PAGE, order_by: ['attributes.start_time ASC'] };
      for await (const page of pages((token) =>
        server.post('runs/search', { ...search, ...(token === '' ? {} : { page_token: token }) }),
      )) {
        const runs = list(page.runs);
        // The search does not tell which models a run read.
        const whole = (run: Json) =>
          hasModels ? server.get<{ run: Json }>('runs/get', { run_id: text((run.info as Json).run_id) }) : Promise.resolve({ run });
        for (const run of runs)
          keysOf.set(text((run.info as Json).run_id), [...new Set(list((run.data as Json | undefined)?.metrics).map((m) => text(m.key)))]);
        histories = await shortHistories(
          server,
          new Map(runs.map((r) => [text((r.info as Json).run_id), keysOf.get(text((r.info as Json).run_id))!])),
        );
        for await (const { run } of ahead(runs, whole)) yield toRun(run);
      }
    },
    async *metrics(run): AsyncGenerator<SourceMetric> {
      const history = async (key: string): Promise<SourceMetric> => ({
        key,
        points: inOrder(histories.get(run.id)?.get(key) ?? (await wholeHistory(server, run.id, key))),
      });
      yield* ahead(keysOf.get(run.id) ?? [], history);
    },
    async *loggedModels(experiment) {
      if (!hasModels) return;
      const ask = (token: string) =>
        server.post<Json>('logged-models/search', {
          experiment_ids: [experiment.id],
          max_results: 50,
          ...(token === '' ? {} : { page_token: token }),
        });
      const first = await server.find(() => ask(''));
      // Versions before 3 know of none.
      hasModels = first !== undefined;
      if (first === undefined) return;
      for await (const page of pages(async (token) => (token === '' ? first : ask(token))))
        for (const m of list(page.models)) yield toLoggedModel(m as never);
    },
    async *models() {
      for (const isPrompt of [false, true]) {
        const filter = isPrompt ? { filter: "tags.`mlflow.prompt.is_prompt` = 'true'" } : {};
        for await (const page of pages((token) =>
          server.get('registered-models/search', { max_results: '100', ...filter, ...(token === '' ? {} : { page_token: token }) }),
        ))
          for (const m of list(page.registered_models)) {
            // Versions before prompts give all models for either question.
            const marked = pairs(m.tags).some((t) => t.key === 'mlflow.prompt.is_prompt' && t.value === 'true');
            if (marked === isPrompt) yield await toRegistered(server, text(m.name), isPrompt);
          }
      }
    },
    artifacts: async (owner: Owner) =>
      owner.kind === 'run'
        ? walk(
            async (path) => {
              const files: Json[] = [];
              for await (const page of pages((token) =>
                server.get('artifacts/list', {
                  run_id: owner.of.id,
                  ...(path === '' ? {} : { path }),
                  ...(token === '' ? {} : { page_token: token }),
                }),
              ))
                files.push(...list(page.files));
              return files;
            },
            (path) => () => server.bytes('/get-artifact', { run_id: owner.of.id, path }),
          )
        : walk(
            async (path) =>
              list(
                (
                  await server.get<Json>(
                    `logged-models/${encodeURIComponent(owner.of.id)}/artifacts/directories`,
                    path === '' ? {} : { artifact_directory_path: path },
                  )
                ).files,
              ),
            (path) => () =>
              server.bytes(`/ajax-api/2.0/mlflow/logged-models/${encodeURIComponent(owner.of.id)}/artifacts/files`, {
                artifact_file_path: path,
              }),
          ),
    leftOut: async () => (origin === 'gyre' ? {} : { 'traces, assessments, evaluation datasets, webhooks, users': null }),
    close: async () => undefined,
  };
}
