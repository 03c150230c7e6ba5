import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isProblem } from '../../../kernel/errors.ts';
import { parseProject } from '../parse.ts';

const text = (step: string, more = ''): string => `project: p
datasets:
  calls: { source: calls.parquet, key: [id], occurred_at: day }
  plain: { source: plain.parquet, key: [id] }
features:
  views: { mood: { dataset: calls, entity: [id], columns: [x] } }
  services: { s: { views: [mood], request: [id] } }
models: { m: {}, other: {} }
endpoints: { m: { model: m, features: s } }
monitors: { watch: {}, near: { endpoint: m } }
${more}
pipelines:
  p:
    params: { until: 2024-02-01 }
    steps:
      fit: { run: "true", code: [], out: { model: { logged: model }, rows: table, notes: folder } }
      scores: ${step}
`;
function told(step: string, more?: string): string[] {
  try {
    parseProject(text(step, more));
  } catch (error) {
    assert.ok(isProblem(error, 'project-invalid'), String(error));
    return error.faults.map((f) => `${f.pointer.replace(/^gyre\.yaml:/, '')}: ${f.detail}`);
  }
  return [];
}
const stepOf = (step: string) => parseProject(text(step)).pipelines.p!.steps.find((s) => s.name === 'scores')!;

test('A predict step takes the champion, and features and rules of the endpoint of its model', () => {
  assert.deepEqual(stepOf('{ predict: m, on: { dataset: calls }, out: { dataset: scored } }'), {
    kind: 'predict',
    name: 'scores',
    needs: [],
    model: 'm',
    version: 'champion',
    on: { kind: 'dataset', spine: false, dataset: 'calls', service: 's', at: null, where: null, between: null },
    endpoint: 'm',
    into: 'scored',
    columns: [],
    monitor: null,
  });
  const step = stepOf('{ predict: other, version: fit.model, on: fit.rows, out: { dataset: scored }, columns: [who] }');
  assert.deepEqual([step.needs, step.kind === 'predict' && step.on], [['fit'], { kind: 'step', ref: 'fit.rows' }]);
  const spine = stepOf('{ predict: other, version: 3, on: { features: s, spine: { dataset: calls } }, out: { dataset: scored } }');
  assert.deepEqual(spine.kind === 'predict' && [spine.version, spine.on.kind === 'dataset' && spine.on.service, spine.endpoint], [
    '3',
    's',
    null,
  ]);
});

test('The dataset of scores is there without being declared, with the key of what is scored; a declared one may have a contract', () => {
  const { datasets } = parseProject(text('{ predict: m, on: { dataset: calls }, out: { dataset: scored } }'));
  assert.deepEqual([datasets.scored!.key, datasets.scored!.occurredAt, datasets.scored!.source], [['id'], 'event_time', []]);
  const declared = text('{ predict: m, on: { dataset: calls }, out: { dataset: scored } }').replace(
    'datasets:\n',
    'datasets:\n  scored: { key: [id], retention: 30d }\n',
  );
  assert.equal(parseProject(declared).datasets.scored!.retentionUs, 30 * 86_400e6);
});

test('What is wrong with a predict step is told by line, column and key', () => {
  const out = 'out: { dataset: scored }';
  assert.deepEqual(told(`{ predict: mm, on: { dataset: cals }, ${out} }`), [
    '17:26 pipelines.p.steps.scores.predict: there is no model "mm"; did you mean "m"?',
    '17:45 pipelines.p.steps.scores.on.dataset: there is no dataset "cals"; did you mean "calls"?',
  ]);
  assert.deepEqual(told(`{ predict: m, onn: { dataset: calls }, ${out} }`), [
    '17:15 pipelines.p.steps.scores: "on" is missing',
    '17:29 pipelines.p.steps.scores.onn: "onn" is not a known key here. Did you mean "on"?',
  ]);
  const one = (step: string): string =>
    told(step)
      .join()
      .replace(/^\S+ pipelines\.p\.steps\.scores\.?/, '');
  assert.match(one(`{ predict: m, on: fit.notes, ${out} }`), /^on: "fit\.notes" is a folder and a table is needed/);
  assert.match(
    one(`{ predict: m, version: fit.rows, on: fit.rows, ${out} }`),
    /^version: "fit\.rows" is a table and a logged-model is needed/,
  );
  assert.match(
    one(`{ predict: m, on: { dataset: plain }, ${out} }`),
    /^on: the rows need a moment, and dataset "plain" has no "occurred_at": say "at"/,
  );
  assert.match(one(`{ predict: m, on: { dataset: calls }, monitor: near, ${out} }`), /^monitor: "near" watches endpoint "m"/);
  assert.match(
    one(`{ predict: m, on: { dataset: calls, between: [soon, $until] }, ${out} }`),
    /^on\.between\.0: "soon" is neither a moment/,
  );
  assert.match(
    one(`{ predict: m, on: { dataset: calls }, out: { dataset: calls } }`),
    /"calls" is what it reads|is made by a predict step/,
  );
  assert.match(one(`{ predict: m, on: { dataset: calls }, columns: [score], ${out} }`), /^columns: "score" is a name that Gyre gives/);
});
