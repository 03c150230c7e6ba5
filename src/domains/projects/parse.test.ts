import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse as parseYaml } from 'yaml';
import { isProblem, type Fault } from '../../kernel/errors.ts';
import { diffProjects } from './model.ts';
import { parseProject } from './parse.ts';
import { ProjectFile } from './schema.ts';

const flights = readFileSync(join(import.meta.dirname, '../../../examples/flights/gyre.yaml'), 'utf8');

function faultsOf(text: string): readonly Fault[] {
  try {
    parseProject(text);
  } catch (error) {
    assert.ok(isProblem(error, 'project-invalid'), String(error));
    assert.equal(error.params.count, error.faults.length);
    return error.faults;
  }
  return [];
}
/** Faults as "line:column key: detail". */
const told = (text: string): string[] => faultsOf(text).map((f) => `${f.pointer.replace(/^gyre\.yaml:/, '')}: ${f.detail}`);

/** The flights example with one text replaced; the fault's line is the line of the mark. */
function broken(from: string, to: string): { faults: readonly Fault[]; line: number } {
  assert.ok(flights.includes(from), from);
  const text = flights.replace(from, to);
  const at = text.indexOf(to);
  return { faults: faultsOf(text), line: text.slice(0, at + to.search(/\S/)).split('\n').length };
}

test('The flights example has no fault', () => assert.deepEqual(told(flights), []));

test('What is not YAML is refused with the line of each fault', () => {
  assert.deepEqual(told('project: p\ncode: [a'), ['2:9: Flow sequence in block collection must be sufficiently indented and end with a ]']);
  assert.deepEqual(
    told('a: b\n\tc: 3').map((f) => f.slice(0, 4)),
    ['2:1:'],
  );
  assert.deepEqual(told('project: p\n---\nproject: q'), ['2:1: a second document begins here ("---"); a project file holds one']);
  assert.match(told('project: !!int p')[0]!, /^1:10: /);
  assert.match(told('project: !!js/function p')[0]!, /^1:10: Unresolved tag/);
});

test('A key that is there twice is named', () => {
  assert.deepEqual(told('project: p\ncode: [a]\nproject: q'), [
    '3:1 project: the key "project" is there twice in this mapping; remove one',
  ]);
});

test('An empty file and a file that is no mapping are refused', () => {
  for (const text of ['', '# only a comment', 'x', '- a', '\0']) assert.match(told(text)[0]!, /^1:\d+: must be a mapping/);
});

test('Aliases work, and what they would blow up to is refused', () => {
  const shared = 'project: p\ndatasets:\n  a: &t { source: a.parquet, key: &k [id] }\n  b: { source: b.parquet, key: *k }\n';
  assert.deepEqual(parseProject(shared).datasets.b!.key, ['id']);
  const levels = [...'bcdefghi'].map((l, i) => `${l}: &${l} [${Array<string>(10).fill(`*${'abcdefghi'[i]}`).join(', ')}]\n`);
  assert.match(told(`a: &a [x, x]\n${levels.join('')}`)[0]!, /aliases .* cannot be followed/);
  assert.match(told('a: *nobody')[0]!, /^1:4: there is no anchor "&nobody"/);
});

test('A mapping that may be of several kinds is told by its first word', () => {
  const of = (yamlText: string): string[] => told(`project: p\n${yamlText}`);
  assert.deepEqual(of('receivers: { team: { webhook: { urll: "http://x" } } }'), [
    '2:31 receivers.team.webhook: "url" is missing',
    '2:33 receivers.team.webhook.urll: "urll" is not a known key here. Did you mean "url"?',
  ]);
  assert.deepEqual(
    of('receivers: { team: { email: { to: a@b.c } } }')
      .map((f) => f.replace(/^[\d:]+ /, ''))
      .sort(),
    ['receivers.team.email.to: must be a list of texts, and is "a@b.c"', 'receivers.team.email: "from" is missing'],
  );
  assert.deepEqual(of('receivers: { team: { slack: x } }'), ['2:29 receivers.team.slack: must be a mapping with url, and is "x"']);
  assert.deepEqual(of('receivers: { team: { pager: x } }'), [
    '2:20 receivers.team: needs one of "webhook", "alertmanager", "slack", "email"',
  ]);
  assert.deepEqual(of('pipelines: { p: { steps: { s: { runs: x } } } }'), [
    '2:31 pipelines.p.steps.s: needs one of "features", "run", "evaluate", "predict", "model"',
  ]);
  assert.match(of('datasets: { a: { source: { b: 1 }, key: [id] } }')[0]!, /a\.source: must be a text or a list of texts, and is {"b":1}$/);
});

test('What does not have its form is told what to write', () => {
  const of = (yamlText: string): string => told(`project: p\n${yamlText}`).join();
  assert.match(of('timeline: { mode: replay, start: yesterday }'), /"yesterday" is no moment; write one with its zone, such as 20\d\d-/);
  assert.match(of('monitors: { m: { task: binary, window: daily } }'), /"daily" is no duration; write a number and its unit/);
  assert.match(of('retraining: { r: { on: [alrt], pipeline: x } }'), /"alrt" does not have the form \S+ .*\(alert, "alert: NAME", finding/);
});

test('Deep nesting, a huge file and thousands of faults are answered quickly', () => {
  const began = performance.now();
  assert.deepEqual(
    told('['.repeat(100_000))
      .at(0)
      ?.replace(/^[\d:]+/, ''),
    ' is nested too deeply',
  );
  assert.match(told(`project: p\n# ${'x'.repeat(300_000)}`)[0]!, /a project file has at most 262144/);
  assert.equal(faultsOfMany(), 50);
  assert.ok(performance.now() - began < 5000, `${performance.now() - began} ms`);
});
function faultsOfMany(): number {
  try {
    parseProject(`project: p\n${Array.from({ length: 20_000 }, (_, i) => `key${i}: 1\n`).join('')}`);
  } catch (error) {
    return isProblem(error) ? error.faults.length : -1;
  }
  return 0;
}

test('Unknown keys are named with the nearest known one, wherever they stand', () => {
  for (const [from, to, key, near] of [
    ['datasets:', 'dataset:', 'dataset', 'datasets'],
    ['ttl: 6h', 'tll: 6h', 'features.views.weather_hourly.tll', 'ttl'],
    ['    known_at: landed_utc', '    knownat: landed_utc', 'datasets.flights.knownat', 'known_at'],
    ['environment: training', 'enviroment: training', 'pipelines.train.steps.fit.enviroment', 'environment'],
    [
      'label: arr_delay >= 15, where: arr_delay is not null, between: [$from',
      'lable: arr_delay >= 15, where: arr_delay is not null, between: [$from',
      'pipelines.train.steps.rows.spine.lable',
      'label',
    ],
  ] as const) {
    const { faults, line } = broken(from, to);
    const fault = faults.find((f) => f.detail.includes('not a known key'));
    assert.ok(fault && fault.pointer.startsWith(`gyre.yaml:${line}:`), `${to}: ${JSON.stringify(faults)}`);
    assert.ok(fault.pointer.endsWith(` ${key}`), fault.pointer);
    assert.match(fault.detail, new RegExp(`Did you mean "${near}"\\?`));
  }
});

test('A wrong type is told with what is wanted and what is there', () => {
  assert.deepEqual(told('project: p\ndatasets:\n  a: { source: 3, key: id }'), [
    '3:16 datasets.a.source: must be a text or a list of texts, and is 3',
    '3:24 datasets.a.key: must be a list of texts, and is "id"',
  ]);
  assert.deepEqual(told('project: 3'), ['1:10 project: must be a text, and is 3']);
  assert.deepEqual(
    told('project: p\nfeatures:\n  views:\n    v: { dataset: d, entity: [e], columns: [c], ttl: 6 hours }').filter((f) =>
      f.includes('ttl'),
    ),
    ['4:54 features.views.v.ttl: "6 hours" is no duration; write a number and its unit, such as 10s, 5m, 6h, 14d or 2w'],
  );
});

test('Names of the language are not taken for names of the project', () => {
  const text = `project: p
datasets: { d: { source: d.parquet, key: [k] } }
features:
  views:
    v: { dataset: constructor, entity: [k], columns: [a] }
  services:
    s: { views: [valueof, constructor], request: [k] }
endpoints:
  e: { model: constructor, features: constructor, missing: {} }
pipelines:
  p: { steps: { constructor: { run: "echo $constructor", in: [tostring, constructor] } } }`;
  const faults = told(text);
  for (const expected of [
    '5:19 features.views.v.dataset: there is no dataset "constructor"',
    '7:27 features.services.s.views.1: there is no feature view "constructor"',
    '9:15 endpoints.e.model: there is no model "constructor"',
    '9:38 endpoints.e.features: there is no feature service "constructor"',
  ])
    assert.ok(faults.includes(expected), `${expected}\n${faults.join('\n')}`);
  assert.ok(faults.some((f) => f.includes('there is no parameter "constructor"')));
  assert.match(told('__proto__: { polluted: 1 }\nproject: p')[0]!, /"__proto__" is not a known key/);
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test('What is referred to must be there; the nearest name is offered', () => {
  for (const [from, to, key, detail] of [
    [
      'from: [flights_raw, airports]',
      'from: [flights_row, airports]',
      'datasets.flights.from.0',
      'there is no dataset "flights_row"; did you mean "flights_raw"?',
    ],
    [
      '{ dataset: weather, entity',
      '{ dataset: wether, entity',
      'features.views.weather_hourly.dataset',
      'there is no dataset "wether"; did you mean "weather"?',
    ],
    [
      'views: [weather_hourly,',
      'views: [weather_hurly,',
      'features.services.late_arrival.views.0',
      'there is no feature view "weather_hurly"; did you mean "weather_hourly"?',
    ],
    [
      'environment: training',
      'environment: trainig',
      'pipelines.train.steps.fit.environment',
      'there is no environment "trainig"; did you mean "training"?',
    ],
    ['in: [rows]', 'in: [row]', 'pipelines.train.steps.fit.in.0', 'there is no step "row"; did you mean "rows"?'],
    [
      'evaluate: fit.model',
      'evaluate: fit.modell',
      'pipelines.train.steps.test.evaluate',
      'there is no output of step "fit" "modell"; did you mean "model"?',
    ],
    ['register: { model: late-arrival', 'register: { model: late', 'pipelines.train.steps.register.model', 'there is no model "late"'],
    [
      'evaluation: test }',
      'evaluation: fit }',
      'pipelines.train.steps.register.evaluation',
      '"fit" is not an evaluate step of this pipeline',
    ],
    [
      '--learning-rate $learning_rate',
      '--learning-rate $learning_rat',
      'pipelines.train.steps.fit.run',
      'there is no parameter "learning_rat"; did you mean "learning_rate"?',
    ],
    ['from: 2013-01-08', 'from: yesterday', 'pipelines.train.params.from', '"yesterday" is not a moment, and "between" needs one'],
    [
      '{ metric: roc_auc, floor: 0.65 }',
      '{ metric: rocauc, floor: 0.65 }',
      'models.late-arrival.gates.0.metric',
      'there is no metric of a binary model "rocauc"; did you mean "roc_auc"?',
    ],
    [
      '{ metric: brier, ceiling: 0.25 }',
      '{ metric: brier }',
      'models.late-arrival.gates.1',
      'a gate needs a bound: "floor", "ceiling", "not_worse_than" or "better_than"',
    ],
    [
      'dest, tailnum, hour',
      'dest, hour',
      'features.services.late_arrival.request',
      'view "plane" is looked up by "tailnum", so the caller must send it: add it to "request"',
    ],
  ] as const) {
    const { faults, line } = broken(from, to);
    const fault = faults.find((f) => f.pointer.endsWith(` ${key}`) && f.detail === detail);
    assert.ok(fault, `${to}: ${JSON.stringify(faults)}`);
    assert.equal(fault.pointer.split(':')[1], String(line), to);
  }
});

test('Circles of datasets and of steps are told as the way round', () => {
  const dataset = (name: string, from: string): string => `  ${name}: { sql: ${name}.sql, from: [${from}], key: [k] }\n`;
  assert.deepEqual(told(`project: p\ndatasets:\n${dataset('a', 'b')}${dataset('b', 'c')}${dataset('c', 'a')}${dataset('d', 'd')}`), [
    '3:6 datasets.a: the datasets read each other in a circle: a -> b -> c -> a',
    '6:6 datasets.d: the datasets read each other in a circle: d -> d',
  ]);
  assert.deepEqual(
    told('project: p\npipelines:\n  t:\n    steps:\n      a: { run: x, needs: [b] }\n      b: { run: y, in: [a.o], out: {} }\n').filter(
      (f) => f.includes('circle'),
    ),
    ['5:10 pipelines.t.steps.a: the steps wait for each other in a circle: a -> b -> a'],
  );
});

test('Paths that lead out of the project are refused, wherever the file names one', () => {
  const text = (path: string): string => `project: p
code: ['${path}']
environments: { e: { lock: '${path}' } }
datasets: { d: { source: '${path}', key: [k], contract: '${path}' }, s: { sql: '${path}', from: [d], key: [k] } }
features: { views: { v: { dataset: d, entity: [e], columns: [c], sql: '${path}' } } }
pipelines: { p: { steps: { s: { run: x, code: ['a', '${path}'] } } } }`;
  for (const path of ['../x', 'a/../../x', '/etc/passwd', './x', 'a//b', 'C:/x', 's3://bucket/x', 'a\\b', '..', '~/../x'])
    assert.deepEqual(
      told(text(path)).map((f) => f.split(' ')[1]),
      [
        'code:',
        'environments.e.lock:',
        'datasets.d.source:',
        'datasets.d.contract:',
        'datasets.s.sql:',
        'features.views.v.sql:',
        'pipelines.p.steps.s.code.1:',
      ],
      path,
    );
  for (const path of ['a.sql', 'a/b c/d.sql', '**/*.py', '.hidden/x', 'a..b', 'Zürich/ß.sql']) assert.deepEqual(told(text(path)), [], path);
});

test('Two features of one name, in whatever case, and names of our own are refused', () => {
  const text = (columns: string, request: string): string => `project: p
datasets: { d: { source: d.parquet, key: [k], occurred_at: t } }
features:
  views: { v: { dataset: d, entity: [k], columns: [${columns}] } }
  services: { s: { views: [v], request: [${request}] } }`;
  assert.deepEqual(told(text('a', 'k, A')), ['5:27 features.services.s.views: the name "a" comes from both "request" and "v"; rename one']);
  assert.match(told(text('a, a', 'k')).join(), /columns: names "a" twice/);
  assert.match(told(text('Label', 'k')).join(), /"Label" is a name that Gyre gives/);
  assert.match(told(text('known_at', 'k')).join(), /"known_at" is a name that Gyre gives/);
  assert.match(told(text('a', 'k, row_key')).join(), /request: "row_key" is a name that Gyre gives/);
});

test('The schema that editors read accepts the example and refuses what the parser refuses', () => {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false });
  (addFormats as unknown as (a: Ajv2020) => void)(ajv);
  const validate = ajv.compile(JSON.parse(JSON.stringify(ProjectFile)));
  assert.ok(validate(parseYaml(flights)), JSON.stringify(validate.errors));
  for (const wrong of [
    'project: P',
    'project: p\nx: 1',
    'project: p\ndatasets: { d: { key: k } }',
    'project: p\npipelines: { p: { steps: { s: { runs: x } } } }',
  ])
    assert.equal(validate(parseYaml(wrong)), false, wrong);
});

const loop = (more: string): string =>
  `project: p
models: { m: {} }
pipelines: { train: { params: { from: 2013-01-01 }, steps: { a: { run: "true" } } } }
endpoints: { e: { model: m, release: { steps: [10%, 50%, 100%], hold: 1d, guardrails: [error_rate, { metric: roc_auc, margin: 0.02 }] } } }
monitors: { e: { window: 1d, labels: { from: feedback, within: 2d } } }
receivers: { ops: { webhook: { url: "https://example.org/hook", secret: "env:HOOK" } } }
${more}`;

test('what keeps a model good gets its defaults', () => {
  const d = parseProject(
    loop(`alerts: [{ when: e.roc_auc below baseline by 0.03, for: 2 windows, severity: page, receivers: [ops] }]
retraining: { e: { pipeline: train, on: [alert, "cron: 0 3 * * 1"], params: { from: now - 60d } } }`),
  );
  assert.deepEqual(d.endpoints.e!.release, {
    shadow: null,
    steps: [0.1, 0.5, 1],
    approve: [false, false, false],
    holdUs: 86_400_000_000,
    maxHoldUs: null,
    afterMaxHold: 'rollback',
    minSample: 300,
    bakeUs: null,
    rollbackWindow: 10,
    guardrails: [
      { metric: 'error_rate', margin: null, then: 'rollback' },
      { metric: 'roc_auc', margin: 0.02, then: 'rollback' },
    ],
  });
  assert.equal(d.monitors.e!.endpoint, 'e');
  assert.equal(d.monitors.e!.model, 'm');
  assert.deepEqual(d.monitors.e!.performance, ['roc_auc', 'log_loss', 'brier']);
  assert.deepEqual(Object.keys(d.alerts), ['e-roc_auc']);
  assert.deepEqual(d.alerts['e-roc_auc']!.condition, { kind: 'below-baseline', by: 0.03 });
  assert.deepEqual(d.alerts['e-roc_auc']!.for, { windows: 2 });
  assert.deepEqual(
    d.retraining.e!.on.map((o) => [o.cause, o.only]),
    [
      ['alert', null],
      ['cron', '0 3 * * 1'],
    ],
  );
  assert.equal(d.retraining.e!.stopAfter, 3);
  assert.deepEqual([d.retraining.e!.approval, d.retraining.e!.approveWithinUs], ['auto', 7 * 86_400_000_000]);
  assert.equal(d.receivers.ops!.kind, 'webhook');
});

test('an alert may hold for some of the last windows, and name its margin as a share of the baseline', () => {
  const d = parseProject(loop('alerts: [{ when: e.log_loss above baseline by 10%, for: 2 of 3 windows }]'));
  assert.deepEqual(d.alerts['e-log_loss']!.condition, { kind: 'above-baseline', by: 0.1, relative: true });
  assert.deepEqual(d.alerts['e-log_loss']!.for, { windows: 2, of: 3 });
  for (const text of ['2 of windows', '0 windows', '2 of 0 windows', '3 of 2 windows'])
    assert.throws(() => parseProject(loop(`alerts: [{ when: e.quality found, for: ${text} }]`)), { code: 'project-invalid' });
});

test('what does not fit together there is named with its place', () => {
  for (const [more, place, words] of [
    ['alerts: [{ when: e.auc below 0.6 }]', 'alerts.0.when', 'there is no signal "auc"'],
    ['alerts: [{ when: roc_auc falls }]', 'alerts.0.when', 'not of the form'],
    ['alerts: [{ when: f.roc_auc below 0.6 }]', 'alerts.0.when', 'there is no monitor "f"'],
    ['alerts: [{ when: e.quality found, receivers: [op] }]', 'alerts.0.receivers.0', 'did you mean "ops"'],
    ['alerts: [{ when: e.quality found }, { when: e.quality found }]', 'alerts.1.name', 'two rules'],
    ['alerts: [{ when: e.windows found }]', 'alerts.0.when', '"stopped for" goes with'],
    ['retraining: { e: { pipeline: fit, on: [alert] } }', 'retraining.e.pipeline', 'there is no pipeline "fit"'],
    ['retraining: { e: { pipeline: train, on: ["cron: x"] } }', 'retraining.e.on.0', 'not a schedule'],
    ['retraining: { e: { pipeline: train, on: [alert], params: { til: now } } }', 'retraining.e.params.til', 'there is no parameter'],
  ] as const)
    assert.throws(
      () => parseProject(loop(more)),
      (e: { faults: { pointer: string; detail: string }[] }) =>
        e.faults.some((f) => f.pointer.endsWith(` ${place}`) && f.detail.includes(words)) || assert.fail(JSON.stringify(e.faults)),
      more,
    );
  const steps = (list: string): string => `project: p\nmodels: { m: {} }\nendpoints: { e: { model: m, release: { steps: [${list}] } } }\n`;
  for (const list of ['50%, 10%, 100%', '10%, 50%', '0%, 100%'])
    assert.throws(() => parseProject(steps(list)), { code: 'project-invalid' }, list);
});

test('a monitor whose settings can have no effect is refused, with what to write instead', () => {
  const monitor = (lines: string): string[] => told(`project: p\nmonitors:\n  m:\n    window: 1d\n${lines}`);
  assert.deepEqual(monitor('    drift: { categorical: ks }'), [
    '5:27 monitors.m.drift.categorical: "ks" needs an order, which categories lack; choose js, psi, hellinger or chi2',
  ]);
  assert.deepEqual(monitor('    columns: [size]\n    drift: { columns: { sizes: { method: psi }, (score): { method: ks } } }'), [
    '6:32 monitors.m.drift.columns.sizes: there is no watched column "sizes"; did you mean "size"?',
  ]);
  const threshold = (of: string): string[] =>
    monitor(`    drift: { columns: { x: { ${of} } } }`).map((fault) => fault.replace(/^\S+ /, ''));
  assert.deepEqual(threshold('threshold: 3'), [
    'monitors.m.drift.columns.x.threshold: js is a distance of at most 1, so that 3 is never passed; usual is 0.1',
  ]);
  assert.deepEqual(threshold('method: chi2, threshold: 0'), [
    'monitors.m.drift.columns.x.threshold: the threshold of chi2 is a p-value, above 0 and below 1, such as 0.05; 0 is none',
  ]);
  assert.deepEqual(threshold('method: psi, threshold: 3'), []);
  assert.deepEqual(monitor('    task: regression\n    estimate: true'), [
    '6:15 monitors.m.estimate: performance is estimated (CBPE) of binary models only, and this one is of regression; leave it out',
  ]);
  assert.deepEqual(monitor('    baseline: { first: 12h }'), [
    '5:24 monitors.m.baseline.first: the first windows are at least one: as long as "window", or longer',
  ]);
});

test('the inference log may be a sample', () => {
  const shareOf = (log: string) =>
    parseProject(`project: p\nmodels: { m: {} }\nendpoints: { e: { model: m${log} } }\n`).endpoints.e!.logShare;
  assert.deepEqual([shareOf(''), shareOf(', log: { share: 12.5% }'), shareOf(', log: { share: 0% }')], [1, 0.125, 0]);
  assert.match(
    faultsOf('project: p\nmodels: { m: {} }\nendpoints: { e: { model: m, log: { share: 120% } } }\n')[0]!.detail,
    /at most 100%/,
  );
});

test('a release may begin in the shadow, wait for a person, bake, and keep out of calendar windows', () => {
  const endpoint = (more: string): string => `project: p\nmodels: { m: {} }\nendpoints: { e: { model: m, ${more} } }\n`;
  const { e } = parseProject(
    endpoint(
      `follow: champion, freeze: [{ cron: "0 16 * * 5", for: 64h, zone: Europe/Berlin, reason: weekend }], release: {
        shadow: { share: 20%, hold: 6h }, steps: [{ share: 10%, pause: manual }, 50%, { share: 100%, approve: true }], hold: 1d,
        max_hold: 3d, after_max_hold: promote-never, bake: 1h, rollback_window: 3,
        guardrails: [disagreement, { metric: feature_drift }, { metric: error_rate, then: pause }] }`,
    ),
  ).endpoints;
  assert.deepEqual(e!.freeze, [{ cron: '0 16 * * 5', lastsUs: 230_400_000_000, zone: 'Europe/Berlin', reason: 'weekend' }]);
  assert.equal(e!.follow, 'champion');
  const { shadow, approve, bakeUs, afterMaxHold, guardrails, rollbackWindow } = e!.release!;
  assert.deepEqual(shadow, { share: 0.2, holdUs: 21_600_000_000, minSample: 300 });
  assert.deepEqual([approve, bakeUs, afterMaxHold, rollbackWindow], [[false, true, true], 3_600_000_000, 'promote-never', 3]);
  assert.deepEqual(
    guardrails.map((g) => g.then),
    ['rollback', 'pause', 'pause'],
  );
  for (const [wrong, why] of [
    ['release: { shadow: { share: 0% }, steps: [100%] }', /share of a shadow/],
    ['release: { steps: [10%, { share: 100%, pause: manual }] }', /use bake/],
    ['release: { steps: [10%, 100%], guardrails: [disagreement] }', /there is none; add "shadow: 1d"/],
    ['release: { steps: [10%, 100%], hold: 2d, max_hold: 1d }', /at least as long as hold/],
    ['release: { steps: [10%, 100%], after_max_hold: pause }', /needs a max_hold/],
    ['freeze: [{ cron: "99 1 * * *", for: 1h }]', /not a schedule of five fields/],
    ['freeze: [{ cron: "0 1 * * *", for: 1h, zone: Europe/Atlantis }]', /not a schedule of five fields/],
  ] as const)
    assert.match(
      faultsOf(endpoint(wrong))
        .map((f) => f.detail)
        .join(' '),
      why,
      wrong,
    );
});

test('a changed policy of releases is told member by member', () => {
  const of = (release: string) => parseProject(`project: p\nmodels: { m: {} }\nendpoints: { e: { model: m, release: ${release} } }\n`);
  assert.deepEqual(diffProjects(of('{ steps: [10%, 100%] }'), of('{ steps: [5%, 100%], hold: 2d, bake: 1h }')), [
    {
      kind: 'endpoint',
      name: 'e',
      change: 'changed',
      differs: ['release.steps: [0.1,1] -> [0.05,1]', 'release.holdUs: 86400000000 -> 172800000000', 'release.bakeUs: null -> 3600000000'],
    },
  ]);
});
