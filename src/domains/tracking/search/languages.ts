// What can be asked of runs, experiments and logged models, as data.
import { TEXT, type Language } from './language.ts';
import type { Sources } from './sql.ts';

const NULLS = ['IS NULL', 'IS NOT NULL'];

export const runLanguage: Language = {
  entities: {
    metric: 'metric',
    metrics: 'metric',
    param: 'param',
    params: 'param',
    parameter: 'param',
    parameters: 'param',
    tag: 'tag',
    tags: 'tag',
    attribute: 'attribute',
    attributes: 'attribute',
    attr: 'attribute',
    run: 'attribute',
    dataset: 'dataset',
    datasets: 'dataset',
  },
  attributes: {
    run_id: { column: 'r.id', lists: true },
    run_name: { column: 'r.name' },
    'run name': { column: 'r.name' },
    'Run name': { column: 'r.name' },
    'Run Name': { column: 'r.name' },
    user_id: { column: 'r.user_id' },
    status: { column: 'r.status' },
    artifact_uri: { column: 'r.artifact_uri' },
    start_time: { column: 'r.start_ms', number: true },
    created: { column: 'r.start_ms', number: true },
    Created: { column: 'r.start_ms', number: true },
    end_time: { column: 'r.end_ms', number: true },
  },
  tagOperators: [...TEXT, ...NULLS],
  datasets: { name: 'e.name', digest: 'e.digest', context: 'e.context' },
};
export const runSources: Sources = {
  metric: 'latest_metrics e where e.workspace_id = r.workspace_id and e.run_id = r.id',
  param: 'tracking_params e where e.workspace_id = r.workspace_id and e.run_id = r.id',
  tag: 'tracking_tags e where e.workspace_id = r.workspace_id and e.run_id = r.id',
  dataset: 'tracking_inputs e where e.workspace_id = r.workspace_id and e.run_id = r.id',
};

export const experimentLanguage: Language = {
  entities: { attribute: 'attribute', tag: 'tag', tags: 'tag' },
  entitiesAre: "Valid entity types are ('attribute', 'tag', 'tags')",
  attributes: {
    name: { column: 'r.name' },
    creation_time: { column: 'r.created_ms', number: true },
    last_update_time: { column: 'r.updated_ms', number: true },
    experiment_id: { column: 'r.id', lists: true },
  },
  tagOperators: [...TEXT, ...NULLS],
};
export const experimentSources: Sources = {
  tag: 'experiment_tags e where e.workspace_id = r.workspace_id and e.experiment_id = r.id',
};

export const loggedModelLanguage: Language = {
  entities: { attributes: 'attribute', metrics: 'metric', params: 'param', tags: 'tag' },
  attributes: {
    name: { column: 'r.name', lists: true },
    model_id: { column: 'r.id', lists: true },
    model_type: { column: 'r.model_type', lists: true },
    source_run_id: { column: 'r.source_run_id', lists: true },
    experiment_id: { column: 'r.experiment_id', lists: true },
    status: { column: 'r.status', lists: true },
    creation_timestamp: { column: 'r.created_ms', number: true },
    creation_time: { column: 'r.created_ms', number: true },
    creation_timestamp_ms: { column: 'r.created_ms', number: true },
    last_updated_timestamp: { column: 'r.updated_ms', number: true },
    last_updated_timestamp_ms: { column: 'r.updated_ms', number: true },
  },
  tagOperators: [...TEXT, 'IN', 'NOT IN'],
  unquotedTexts: true,
};
export const loggedModelSources: Sources = {
  metric: 'logged_model_metrics e where e.workspace_id = r.workspace_id and e.model_id = r.id',
  param: "logged_model_entries e where e.workspace_id = r.workspace_id and e.model_id = r.id and e.kind = 'param'",
  tag: "logged_model_entries e where e.workspace_id = r.workspace_id and e.model_id = r.id and e.kind = 'tag'",
};
