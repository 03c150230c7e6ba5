// Which level for which resource a route asks for. Each is asked with every level in
// src/domains/access/levels/matrix.test.ts; a route that is in neither list is a fault there.
import type { AnyRoute } from '../../src/kernel/http/route.ts';
import type { Level, ResourceKind } from '../../src/kernel/levels.ts';

export type Need = readonly [ResourceKind, Level];

const table: readonly (readonly [RegExp, Need])[] = [
  // Experiments, and what is part of them.
  [/^GET .*mlflow\/experiments\/(get|get-by-name)$/, ['experiment', 'READ']],
  [/^POST .*mlflow\/experiments\/(set-experiment-tag|delete-experiment-tag|update)$/, ['experiment', 'EDIT']],
  [/^POST .*mlflow\/experiments\/(delete|restore)$/, ['experiment', 'MANAGE']],
  [/^\w+ .*mlflow\/experiments\/permissions\//, ['experiment', 'MANAGE']],
  [/^GET .*mlflow\/(runs\/get|artifacts\/list|metrics\/get-history)$/, ['experiment', 'READ']],
  [/^POST .*mlflow\/artifacts\/presigned-download-url$/, ['experiment', 'READ']],
  [/^POST .*mlflow\/(artifacts\/presigned-upload-url|upload-artifact)$/, ['experiment', 'EDIT']],
  [/^POST .*mlflow\/runs\/(delete|restore)$/, ['experiment', 'MANAGE']],
  [/^POST .*mlflow\/runs\/(?!search)/, ['experiment', 'EDIT']],
  [/^GET .*mlflow\/logged-models\//, ['experiment', 'READ']],
  [/^DELETE .*mlflow\/logged-models\/:model_id$/, ['experiment', 'MANAGE']],
  [/^(POST|PATCH|DELETE) .*mlflow\/logged-models(?!\/search)/, ['experiment', 'EDIT']],
  [/^GET .*mlflow-artifacts\/(artifacts\/\*|presigned)/, ['experiment', 'READ']],
  [/^GET .*mlflow-artifacts\/artifacts$/, ['experiment', 'READ']],
  [/^(PUT .*mlflow-artifacts\/artifacts|POST .*mlflow-artifacts\/mpu\/\w+)\/\*$/, ['experiment', 'EDIT']],
  [/^DELETE .*mlflow-artifacts\/artifacts/, ['experiment', 'MANAGE']],
  [/^GET \/get-artifact$/, ['experiment', 'READ']],
  [/^GET .*gyre\/v1\/experiments\/:id(\/runs\/live)?$/, ['experiment', 'READ']],
  [/^(DELETE|POST) .*gyre\/v1\/(experiments|tracking-runs)\/:id(\/restore|\/metrics)?$/, ['experiment', 'MANAGE']],
  [/^GET .*gyre\/v1\/tracking-runs\/:id(\/metrics\/live)?$/, ['experiment', 'READ']],
  [/^POST .*gyre\/v1\/tracking-runs\/compare$/, ['experiment', 'READ']],
  // Models and their versions.
  [/^GET .*(registered-models\/(get|alias)|model-versions\/(get|get-download-uri|get-artifact))$/, ['model', 'READ']],
  [/^(GET|POST) .*registered-models\/get-latest-versions$/, ['model', 'READ']],
  [/^DELETE .*(registered-models\/(alias|delete)|model-versions\/delete)$/, ['model', 'MANAGE']],
  [/^\w+ .*registered-models\/permissions\//, ['model', 'MANAGE']],
  [
    /^(POST|PATCH|DELETE) .*(registered-models\/(alias|rename|set-tag|delete-tag|update)|model-versions\/(?!search)[\w-]+)$/,
    ['model', 'EDIT'],
  ],
  [/^GET \/api\/gyre\/v1\/models\/:model/, ['model', 'READ']],
  [/^DELETE \/api\/gyre\/v1\/models\/:model/, ['model', 'MANAGE']],
  [/^(PUT|POST) \/api\/gyre\/v1\/models\/:model/, ['model', 'EDIT']],
  // Endpoints and datasets.
  [/^GET .*projects\/:project\/endpoints\/:endpoint\/(freeze|release|releases|revisions|trials)/, ['endpoint', 'READ']],
  [/^(POST|DELETE) .*projects\/:project\/endpoints\/:endpoint\//, ['endpoint', 'EDIT']],
  // A monitor is of an endpoint, a model or both; neither may be closed: test/attacks/hidden.test.ts.
  [/^GET .*projects\/:project\/monitors\/:monitor/, ['endpoint', 'READ']],
  [/^GET .*projects\/:project\/datasets\/:dataset\//, ['dataset', 'READ']],
  [/^POST .*projects\/:project\/datasets\/:dataset\/versions$/, ['dataset', 'EDIT']],
];

/** Lists and searches (they leave out what may not be seen), what makes new ones, and what is of the server. */
const ofNoResource: readonly RegExp[] = [
  /\/(search|search-datasets|get-history-bulk|get-history-bulk-interval)$/,
  /^POST .*(experiments|registered-models)\/create$/,
  /^GET \/api\/gyre\/v1\/experiments$/,
  /^POST \/api\/gyre\/v1\/tracking-runs\/count$/,
  /^GET \/api\/gyre\/v1\/tracking-metrics\/sample$/,
  // Purges may name many experiments; who asked sees his own: purge.test.ts.
  /^(GET|POST) \/api\/gyre\/v1\/tracking-purges(\/:id)?$/,
  /^GET \/api\/gyre\/v1\/(models|projects\/:project\/(datasets|endpoints))$/,
  /^POST .*datasets\/refresh$/,
  /^POST .*projects\/:project\/comparison$/,
  // Uploads in parts whose file is named in the body alone, and what is not offered.
  /mlflow-artifacts\/mpu\/\w+$/,
  /\/(v1|mlflow)\/traces$/,
  // By an id of a version or an evaluation: their own tests.
  /^GET \/api\/gyre\/v1\/(dataset-versions|evaluations)\//,
];

export const nameOf = (route: AnyRoute): string => `${route.method} ${route.path}`;

/** What a route asks for the resource that it names; undefined if it names none. */
export const needOf = (route: AnyRoute): Need | undefined => table.find(([pattern]) => pattern.test(nameOf(route)))?.[1];

/** Says whether a route is one of those that name no single resource. */
export const namesNone = (route: AnyRoute): boolean => ofNoResource.some((pattern) => pattern.test(nameOf(route)));
