// A project small enough to run all the time: one dataset, one feature view, two pipelines, one endpoint.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquet } from '../support/parquet.ts';
import { insist } from './http.ts';
import type { System } from './system.ts';

export const PROJECT = 'crash';
export const FILES = 12;
export const IDS = 20;
/** Event time at which the replay stands. */
export const NOW = '2013-02-01T00:00:00Z';

const definition = `project: ${PROJECT}
code: [steps/**]
timeline: { mode: replay, start: ${NOW} }
datasets:
  rows: { source: rows/*.parquet, key: [id, seen], occurred_at: seen, known_at: seen }
features:
  views:
    latest: { dataset: rows, entity: [id], columns: [z] }
  services:
    plain: { views: [latest], request: [id, x] }
pipelines:
  work:
    params: { n: 0 }
    steps:
      one: { run: sh steps/one.sh $n, out: { made: folder }, retry: 3 }
      two: { run: sh steps/two.sh $n, in: [one], out: { made: folder }, retry: 3 }
  model:
    params: { n: 0 }
    steps:
      fit: { run: python3 steps/fit.py $n, out: { model: { logged: model } }, retry: 3 }
      test:
        evaluate: fit.model
        on:
          features: plain
          spine: { dataset: rows, at: seen + interval 1 minute, label: 2 * x + 1, between: [2013-01-01, 2013-01-05], known_by: none }
      register: { model: flat, from: fit.model, evaluation: test }
models:
  flat: { task: regression, score: score }
endpoints:
  flat: { model: flat, features: plain }
`;

const step = (name: string, counter: string, body: string): string => `echo "${name} $1 $PWD" >> '${counter}'\nsleep 0.15\n${body}\n`;

const fit = (counter: string): string => `import json, os, pathlib, sys, time, urllib.error, urllib.request

n = sys.argv[1]
with open('${counter}', 'a') as counter:
    counter.write(f'fit {n} {os.getcwd()}\\n')
base, token, run = (os.environ[k] for k in ('MLFLOW_TRACKING_URI', 'MLFLOW_TRACKING_TOKEN', 'MLFLOW_RUN_ID'))


def call(method, path, body, kind='application/json'):
    for _ in range(600):
        request = urllib.request.Request(base + path, body, {'content-type': kind, 'authorization': 'Bearer ' + token}, method=method)
        try:
            with urllib.request.urlopen(request) as reply:
                return json.loads(reply.read() or b'{}')
        except urllib.error.HTTPError as error:
            sys.exit(f'{method} {path}: {error.read().decode()}')
        except OSError:
            time.sleep(0.05)
    sys.exit('no server')


def post(method, path, body):
    return call(method, '/api/2.0/mlflow/' + path, json.dumps(body).encode())


experiment = post('POST', 'runs/update', {'run_id': run})['run_info']['experiment_id']
post('POST', 'runs/log-batch', {'run_id': run, 'params': [{'key': 'n', 'value': n}]})
model = post('POST', 'logged-models', {'experiment_id': experiment, 'name': 'model', 'source_run_id': run})['model']['info']
folder = '/api/2.0/mlflow-artifacts/artifacts/' + model['artifact_uri'].split(':/', 1)[1].lstrip('/')
call('PUT', folder + '/model.onnx', pathlib.Path('steps/flat.onnx').read_bytes(), 'application/octet-stream')
call('PUT', folder + '/n.txt', n.encode(), 'application/octet-stream')
post('PATCH', 'logged-models/' + model['model_id'], {'model_id': model['model_id'], 'status': 'LOGGED_MODEL_READY'})
`;

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

export interface RowsFile {
  readonly path: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

/** File i holds one row for each id, of day i of January; `z` says which file it is. */
export const makeRows = (): Promise<RowsFile[]> =>
  Promise.all(
    Array.from({ length: FILES }, async (_, i) => {
      const bytes = await parquet(
        `select id::varchar as id, id::float as x, ${i}::double as z, timestamp '2013-01-01' + interval (${i}) hour as seen from range(${IDS}) t(id)`,
      );
      return { path: `rows/${String(i).padStart(2, '0')}.parquet`, digest: sha256(bytes), bytes };
    }),
  );

/** The project's files by path, without its data. Steps append what they do to the file `counter`. */
export const projectFiles = (counter: string): Record<string, Buffer> => ({
  'gyre.yaml': Buffer.from(definition),
  'steps/one.sh': Buffer.from(step('one', counter, 'mkdir -p out/made; echo "$1" > out/made/n.txt')),
  'steps/two.sh': Buffer.from(step('two', counter, 'mkdir -p out/made; echo "$1" > out/made/n.txt')),
  'steps/fit.py': Buffer.from(fit(counter)),
  'steps/flat.onnx': readFileSync(join(import.meta.dirname, '../../src/domains/serving/fixtures/flat.onnx')),
});

/** Applies the project, as the command line does. */
export async function applyProject(system: System): Promise<void> {
  const api = `${system.url}/api/gyre/v1`;
  const { 'gyre.yaml': text, ...files } = projectFiles(system.counter);
  for (const bytes of Object.values(files)) await insist({ url: `${api}/blobs/${sha256(bytes)}`, method: 'PUT', body: bytes });
  const digests = Object.fromEntries(Object.entries(files).map(([path, bytes]) => [path, sha256(bytes)]));
  const snapshot = await insist({ url: `${api}/snapshots`, body: { files: digests } });
  const applied = await insist({ url: `${api}/projects/apply`, body: { text: text!.toString(), snapshot: snapshot.get('id') } });
  if (applied.status >= 300) throw new Error(`the project was refused: ${JSON.stringify(applied.body)}`);
}
