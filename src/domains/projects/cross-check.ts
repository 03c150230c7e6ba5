// What a schema cannot say: references, cycles, clashes, parameters.
import type { Fault } from '../../kernel/errors.ts';
import { nearest } from '../../kernel/config/settings.ts';
import { metrics } from '../../stats/metrics.ts';
import { checkLoop } from './loop/check.ts';
import { parametersIn, type PipelineDefinition, type PredictStep, type ProjectDefinition, type SpineDefinition } from './model.ts';
import type { RawProject } from './parse.ts';
import type { KeyPath } from './schema-faults.ts';
import { checkTrials } from './trials/trials.ts';

type Place = (path: KeyPath, onKey?: boolean) => string;

// Names of our own in view tables and training tables. DuckDB tells names apart without regard to case.
const TABLE_NAMES = ['row_key', 'at_us', 'label'];
const SCORED_NAMES = ['row_key', 'event_time', 'at_us', 'n', 'prediction_id', 'score', 'model_version', 'scored_at'];
const VIEW_NAMES = ['occurred_at', 'known_at', 'occurred_us', 'known_us'];

// Variables that every step with a command has.
const runVariables = Object.fromEntries(
  ['HOME', 'PATH', 'GYRE_RUN_ID', 'MLFLOW_TRACKING_URI', 'MLFLOW_RUN_ID', 'MLFLOW_EXPERIMENT_NAME', 'MLFLOW_TRACKING_TOKEN'].map((n) => [
    n,
    '',
  ]),
);

const MOMENT = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:?\d{2})?)?$/;

export function crossCheck(raw: RawProject, d: ProjectDefinition, place: Place): Fault[] {
  const faults: Fault[] = [];
  const add = (path: KeyPath, detail: string): void => void faults.push({ pointer: place(path), detail });
  const refer = (path: KeyPath, kind: string, name: string, known: object): void => {
    if (Object.hasOwn(known, name)) return;
    const near = nearest(name, Object.keys(known));
    add(path, `there is no ${kind} "${name}"${near ? `; did you mean "${near}"?` : ''}`);
  };

  checkPaths(d, add);
  if (d.timeline.mode === 'replay' && !raw.timeline?.start) add(['timeline'], 'a replay timeline needs "start"');
  const scored = new Set(Object.values(d.pipelines).flatMap((p) => p.steps.flatMap((s) => (s.kind === 'predict' ? [s.into] : []))));
  for (const [name, ds] of Object.entries(d.datasets)) {
    const path = ['datasets', name];
    // Scores come from their step alone; what it makes may be declared for a key, a contract or a retention of its own.
    if (scored.has(name)) {
      if (ds.source.length > 0 || ds.sql !== null) add(path, 'is made by a predict step, so it has neither "source" nor "sql"');
    } else if (ds.source.length > 0 === (ds.sql !== null)) add(path, 'needs exactly one of "source" and "sql"');
    if (ds.sql !== null && ds.from.length === 0) add(path, '"sql" needs "from": the datasets it reads');
    if (ds.sql === null && ds.from.length > 0) add(path, '"from" goes with "sql"');
    ds.from.forEach((f, i) => refer([...path, 'from', i], 'dataset', f, d.datasets));
    if (ds.knownAt !== null && ds.occurredAt === null) add([...path, 'known_at'], '"known_at" needs "occurred_at"');
  }
  cycle(
    Object.keys(d.datasets),
    (n) => (Object.hasOwn(d.datasets, n) ? d.datasets[n]!.from : []),
    (loop) => add(['datasets', loop[0]!], `the datasets read each other in a circle: ${loop.join(' -> ')}`),
  );

  for (const [name, view] of Object.entries(d.views)) {
    refer(['features', 'views', name, 'dataset'], 'dataset', view.dataset, d.datasets);
    view.columns
      .filter((c) => view.entity.includes(c))
      .forEach((c) => add(['features', 'views', name, 'columns'], `"${c}" is the entity and cannot be a feature too`));
    [...view.entity, ...view.columns]
      .filter((c) => [...TABLE_NAMES, ...VIEW_NAMES].includes(c.toLowerCase()))
      .forEach((c) =>
        add(['features', 'views', name, 'columns'], `"${c}" is a name that Gyre gives to a column of its own; use another one`),
      );
    const dataset = Object.hasOwn(d.datasets, view.dataset) ? d.datasets[view.dataset] : undefined;
    if (view.ttlUs !== null && dataset && dataset.occurredAt === null && view.sql === null)
      add(['features', 'views', name, 'ttl'], `"ttl" counts from occurred_at, and dataset "${view.dataset}" has none`);
  }
  for (const [name, service] of Object.entries(d.services)) {
    const path = ['features', 'services', name];
    service.views.forEach((v, i) => refer([...path, 'views', i], 'feature view', v, d.views));
    const owner = new Map<string, string>();
    const claim = (column: string, from: string): void => {
      const first = owner.get(column.toLowerCase());
      if (first) add([...path, 'views'], `the name "${column}" comes from both "${first}" and "${from}"; rename one`);
      owner.set(column.toLowerCase(), from);
    };
    for (const column of service.request) claim(column, 'request');
    for (const view of service.views) for (const column of viewColumns(d, view)) claim(column, view);
    service.request
      .filter((c) => TABLE_NAMES.includes(c.toLowerCase()))
      .forEach((c) => add([...path, 'request'], `"${c}" is a name that Gyre gives to a column of its own; use another one`));
    for (const view of service.views)
      for (const key of Object.hasOwn(d.views, view) ? d.views[view]!.entity : [])
        if (!service.request.includes(key))
          add([...path, 'request'], `view "${view}" is looked up by "${key}", so the caller must send it: add it to "request"`);
  }
  for (const pipeline of Object.values(d.pipelines)) checkPipeline(pipeline, d, add, refer);
  for (const model of Object.values(d.models))
    model.gates.forEach((gate, i) => {
      const path = ['models', model.name, 'gates', i];
      const known = Object.fromEntries(Object.entries(metrics).filter(([, m]) => m.task === model.task));
      refer([...path, 'metric'], `metric of a ${model.task} model`, gate.metric, known);
      if (gate.floor === undefined && gate.ceiling === undefined && gate.notWorseThan === undefined && gate.betterThan === undefined)
        add(path, 'a gate needs a bound: "floor", "ceiling", "not_worse_than" or "better_than"');
    });
  for (const [name, e] of Object.entries(d.endpoints)) {
    refer(['endpoints', name, 'model'], 'model', e.model, d.models);
    if (e.service !== null) refer(['endpoints', name, 'features'], 'feature service', e.service, d.services);
  }
  checkLoop(raw, d, add, refer);
  checkTrials(d, add, refer);
  return faults;
}

const viewColumns = (d: ProjectDefinition, view: string): readonly string[] => (Object.hasOwn(d.views, view) ? d.views[view]!.columns : []);

// What the file names lies in the project's folder: it travels in the snapshot under that name, and the
// server opens nothing else.
function checkPaths(d: ProjectDefinition, add: (path: KeyPath, detail: string) => void): void {
  const check = (path: KeyPath, text: string | null): void => {
    if (text === null) return;
    const parts = text.split('/');
    if (parts.some((part) => part === '' || part === '.' || part === '..' || /[\\\0-\x1f:]/.test(part)))
      add(path, `"${text}" must be a path inside the project's folder, written plainly: no leading "/", no ".", "..", ":" or "\\"`);
  };
  const checkAll = (path: KeyPath, texts: readonly string[]): void =>
    texts.forEach((text, i) => check(texts.length > 1 ? [...path, i] : path, text));
  checkAll(['code'], d.code);
  for (const [name, e] of Object.entries(d.environments)) check(['environments', name, 'lock'], e.lock);
  for (const [name, ds] of Object.entries(d.datasets)) {
    checkAll(['datasets', name, 'source'], ds.source);
    check(['datasets', name, 'sql'], ds.sql);
    check(['datasets', name, 'contract'], ds.contract);
  }
  for (const [name, view] of Object.entries(d.views)) check(['features', 'views', name, 'sql'], view.sql);
  for (const pipeline of Object.values(d.pipelines))
    for (const step of pipeline.steps)
      if (step.kind === 'run') checkAll(['pipelines', pipeline.name, 'steps', step.name, 'code'], step.code ?? []);
}

function checkPipeline(
  pipeline: PipelineDefinition,
  d: ProjectDefinition,
  add: (path: KeyPath, detail: string) => void,
  refer: (path: KeyPath, kind: string, name: string, known: object) => void,
): void {
  const base = ['pipelines', pipeline.name, 'steps'];
  const steps = Object.fromEntries(pipeline.steps.map((s) => [s.name, s]));
  const usesParams = (path: KeyPath, texts: readonly string[]): void => {
    for (const name of texts.flatMap(parametersIn)) refer(path, 'parameter', name, pipeline.params);
  };
  const output = (path: KeyPath, ref: string, wanted?: string): void => {
    const [step = '', out] = ref.split('.');
    refer(path, 'step', step, steps);
    const owner = Object.hasOwn(steps, step) ? steps[step] : undefined;
    if (!owner || (owner.kind !== 'run' && out === undefined)) return;
    if (owner.kind === 'run' && out !== undefined) refer(path, `output of step "${step}"`, out, owner.outputs);
    const kind = owner.kind === 'run' && out !== undefined && Object.hasOwn(owner.outputs, out) ? owner.outputs[out] : undefined;
    if (wanted && kind !== undefined && kind !== wanted) add(path, `"${ref}" is a ${kind} and a ${wanted} is needed`);
    if (wanted && owner.kind !== 'run') add(path, `"${ref}" is made by a ${owner.kind} step and a ${wanted} is needed`);
  };
  const bounds = (path: KeyPath, between: readonly string[]): void =>
    between.forEach((b, i) => {
      if (!b.startsWith('$') && !MOMENT.test(b))
        add([...path, i], `"${b}" is neither a moment (2013-01-31 or 2013-01-31T10:00:00Z) nor a $parameter`);
      const name = b.slice(1);
      if (b.startsWith('$') && Object.hasOwn(pipeline.params, name) && !MOMENT.test(String(pipeline.params[name])))
        add(['pipelines', pipeline.name, 'params', name], `"${String(pipeline.params[name])}" is not a moment, and "between" needs one`);
    });
  const spine = (path: KeyPath, s: SpineDefinition): void => {
    refer([...path, 'dataset'], 'dataset', s.dataset, d.datasets);
    bounds([...path, 'between'], s.between);
    usesParams(path, [s.at, s.label, s.where ?? '', ...s.between, s.knownBy ?? '']);
  };
  const checkPredict = (path: KeyPath, step: PredictStep): void => {
    refer([...path, 'predict'], 'model', step.model, d.models);
    const maker = step.version.split('.')[0]!;
    if (step.needs.includes(maker) && Object.hasOwn(steps, maker) && steps[maker]!.kind !== 'register')
      output([...path, 'version'], step.version, 'logged-model');
    if (step.endpoint !== null) refer([...path, 'endpoint'], 'endpoint', step.endpoint, d.endpoints);
    if (step.monitor !== null) {
      refer([...path, 'monitor'], 'monitor', step.monitor, d.monitors);
      const monitor = Object.hasOwn(d.monitors, step.monitor) ? d.monitors[step.monitor]! : undefined;
      if (monitor && monitor.endpoint !== null)
        add([...path, 'monitor'], `"${step.monitor}" watches endpoint "${monitor.endpoint}"; scores go to a monitor without "endpoint"`);
    }
    const { on } = step;
    if (on.kind === 'step') {
      const owner = on.ref.split('.')[0]!;
      if (Object.hasOwn(steps, owner) && steps[owner]!.kind !== 'features') output([...path, 'on'], on.ref, 'table');
      else refer([...path, 'on'], 'step', owner, steps);
      return;
    }
    const place = [...path, 'on', ...(on.spine ? ['spine'] : [])];
    refer([...place, 'dataset'], 'dataset', on.dataset, d.datasets);
    if (on.dataset === step.into) add([...path, 'out', 'dataset'], `"${step.into}" is what it reads; scores go to another dataset`);
    if (on.service !== null) refer([...path, 'on', 'features'], 'feature service', on.service, d.services);
    step.columns
      .filter((c) => SCORED_NAMES.includes(c.toLowerCase()))
      .forEach((c) => add([...path, 'columns'], `"${c}" is a name that Gyre gives to a column of its own; rename it in the data`));
    if (
      (on.service !== null || on.between !== null) &&
      on.at === null &&
      Object.hasOwn(d.datasets, on.dataset) &&
      d.datasets[on.dataset]!.occurredAt === null
    )
      add(place, `the rows need a moment, and dataset "${on.dataset}" has no "occurred_at": say "at"`);
    bounds([...place, 'between'], on.between ?? []);
    usesParams(place, [on.at ?? '', on.where ?? '', ...(on.between ?? [])]);
  };
  for (const step of pipeline.steps) {
    const path = [...base, step.name];
    step.needs.forEach((n) => refer(path, 'step', n, steps));
    if (step.kind === 'features') {
      refer([...path, 'features'], 'feature service', step.service, d.services);
      spine([...path, 'spine'], step.spine);
    } else if (step.kind === 'run') {
      if (step.environment !== null) refer([...path, 'environment'], 'environment', step.environment, d.environments);
      step.inputs.forEach((i, at) => output([...path, 'in', at], i));
      usesParams([...path, 'env'], Object.values(step.env));
      // What the step's own environment declares, the shell puts in place; a parameter of that name would win.
      const own = { ...pipeline.params, ...step.env, ...step.secrets, ...runVariables };
      for (const name of parametersIn(step.command)) refer([...path, 'run'], 'parameter', name, own);
    } else if (step.kind === 'evaluate') {
      output([...path, 'evaluate'], step.model, 'logged-model');
      refer([...path, 'on', 'features'], 'feature service', step.service, d.services);
      spine([...path, 'on', 'spine'], step.spine);
    } else if (step.kind === 'predict') {
      checkPredict(path, step);
    } else {
      refer([...path, 'model'], 'model', step.model, d.models);
      output([...path, 'from'], step.from, 'logged-model');
      if (!Object.hasOwn(steps, step.evaluation) || steps[step.evaluation]!.kind !== 'evaluate')
        add([...path, 'evaluation'], `"${step.evaluation}" is not an evaluate step of this pipeline`);
    }
  }
  cycle(
    Object.keys(steps),
    (n) => (Object.hasOwn(steps, n) ? steps[n]!.needs : []),
    (loop) => add([...base, loop[0]!], `the steps wait for each other in a circle: ${loop.join(' -> ')}`),
  );
}

/** Reports each cycle once, as the path that closes it. */
function cycle(nodes: readonly string[], next: (node: string) => readonly string[], report: (loop: string[]) => void): void {
  const done = new Set<string>();
  const visit = (node: string, trail: readonly string[]): boolean => {
    const seen = trail.indexOf(node);
    if (seen >= 0) {
      report([...trail.slice(seen), node]);
      return true;
    }
    if (done.has(node)) return false;
    const found = next(node).some((n) => visit(n, [...trail, node]));
    done.add(node);
    return found;
  };
  for (const node of nodes) visit(node, []);
}
