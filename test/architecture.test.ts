// The rules of the house, checked against the source. A list here may only get shorter; to make one longer,
// say why beside the entry. That each rule can fail is shown in architecture/counter-examples.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { domainEdges, findCycle, foreignExports, importCycle, wrongArrows } from './architecture/arrows.ts';
import { foreignWrites, tableOwners } from './architecture/ownership.ts';
import { badNames, crowdedFolders, emptyTests, misshapenDomains, tooLongFiles } from './architecture/shape.ts';
import { readSourceTree } from './architecture/source-tree.ts';
import { environmentReaders, eventTimeInJobs, moduleMocks, starExports, unrunTests, wallTimeInPolicy } from './architecture/words.ts';

const tree = readSourceTree();

/** Which domain uses which others, through their public.ts. Exact: an edge that is gone is taken out. */
const EDGES: Readonly<Record<string, readonly string[]>> = {
  alerts: ['datasets', 'monitoring', 'projects'],
  datasets: ['projects', 'subjects'],
  features: ['datasets', 'projects', 'subjects'],
  feedback: ['datasets', 'projects', 'serving', 'subjects'],
  governance: [
    'datasets',
    'features',
    'feedback',
    'lineage',
    'monitoring',
    'pipelines',
    'projects',
    'registry',
    'releases',
    'serving',
    'subjects',
    'tracking',
  ],
  lineage: ['datasets', 'projects', 'registry', 'releases', 'serving', 'tracking'],
  monitoring: ['datasets', 'feedback', 'projects', 'registry', 'serving', 'subjects'],
  pipelines: ['access', 'datasets', 'environments', 'features', 'projects', 'registry', 'serving', 'subjects', 'tracking'],
  registry: ['access', 'datasets', 'environments', 'projects', 'serving', 'subjects', 'tracking'],
  releases: ['access', 'datasets', 'features', 'feedback', 'projects', 'registry', 'serving', 'subjects'],
  reports: [
    'alerts',
    'datasets',
    'environments',
    'features',
    'feedback',
    'governance',
    'lineage',
    'monitoring',
    'pipelines',
    'projects',
    'registry',
    'releases',
    'retraining',
    'serving',
  ],
  retraining: ['alerts', 'datasets', 'feedback', 'pipelines', 'projects', 'registry', 'releases'],
  serving: ['environments', 'subjects'],
  subjects: ['projects'],
  tracking: ['access', 'datasets', 'subjects'],
  transfers: ['registry', 'tracking'],
  trials: ['projects', 'releases', 'serving'],
  webhooks: ['registry'],
};

/** What a domain has besides the files that every domain may have. */
const CONCEPTS: Readonly<Record<string, readonly string[]>> = {
  // `levels`: what was granted for single resources, and what follows from it.
  access: ['guard.ts', 'levels', 'password.ts', 'sign-in'],
  // `senders`: one file for each protocol of a receiver, and what guards the way out.
  alerts: ['matchers.ts', 'rules.ts', 'senders', 'signals.ts', 'views.ts'],
  datasets: ['contract.ts', 'contract-checks.ts'],
  environments: ['interpreter.ts', 'lock.ts', 'realise.ts', 'requirements.ts', 'uv.ts', 'uv-lock.ts'],
  features: ['online-filler.ts', 'online-store.ts', 'packed-values.ts', 'view-sql.ts'],
  lineage: ['column-lineage.ts', 'column-map.ts', 'flow.ts', 'graph.ts', 'name-scope.ts', 'select-tree.ts'],
  pipelines: ['engine.ts'],
  projects: [
    // What may be shown of the address of a receiver.
    'addresses.ts',
    'cross-check.ts',
    // Releases, monitors, alerts, receivers and retraining: what keeps a model good.
    'loop',
    'normalise.ts',
    'parse.ts',
    // Steps that score, and the datasets that they make.
    'predict',
    'purposes.ts',
    'schema-faults.ts',
    'trials',
  ],
  // `scan`: what model files would run, by format; it knows nothing of the registry.
  // `convert`: the script that runs in the model's own environment.
  registry: ['convert', 'gates.ts', 'scan'],
  // Read models only: one file for each view that the documents share, and the drawing of them.
  reports: [
    'card.ts',
    'chain.ts',
    'data-view.ts',
    'documents',
    'html',
    'live.ts',
    'loop-view.ts',
    'metric-words.ts',
    'model-view.ts',
    'truth.ts',
  ],
  // The data plane is a program of its own with five parts.
  serving: ['batching', 'http', 'log', 'plan.ts', 'plane', 'runtime'],
  // What is kept of an identifier; the data plane uses it without the database.
  subjects: ['forms.ts', 'hmac.ts', 'mentions.ts'],
  tracking: ['search'],
  trials: ['views.ts'],
};

/** Who may read process.env besides kernel/config/settings.ts. */
const ENVIRONMENT_READERS: Readonly<Record<string, string>> = {
  'src/kernel/config/settings.ts': 'the one reader of settings',
  'src/kernel/failpoints.ts': 'armed before any setting is read',
  'src/kernel/secrets.ts': 'secrets are referred to as env:NAME',
  'src/kernel/compute/compute.ts': 'PATH for its process',
  'src/domains/environments/interpreter.ts': 'PATH, where interpreters are',
  'src/domains/environments/uv.ts': 'PATH, HOME and proxies for uv',
  'src/domains/features/service/materialise.ts': 'PATH for its process',
  'src/domains/serving/runtime/python/worker-process.ts': 'PATH for a model’s process',
  'src/domains/serving/runtime/score-table.ts': 'PATH for its process',
  'src/engines/process/launcher.ts': 'PATH for a step',
  'src/app/commands/runs.ts': 'the user’s own shell for gyre shell',
  'src/app/control-process.ts': 'the first administrator, handed over by the supervisor',
  'src/app/track/track.ts': 'the user’s own environment for the command of gyre run',
  'src/app/serving/tracing.ts': 'the standard variables of OpenTelemetry',
  'src/app/supervisor.ts': 'hands the environment to the processes it starts',
};

/** Files that write to a database of their own. */
const OWN_DATABASES = ['src/domains/features/online-store.ts'];

test('imports point down: app, then dialects and engines, then domains, then stats and kernel', () => {
  assert.deepEqual(wrongArrows(tree), []);
});

test('a domain uses others only along the listed edges, and these have no cycle', () => {
  assert.deepEqual(domainEdges(tree), EDGES);
  assert.equal(findCycle(EDGES), undefined);
});

test('no file imports itself, by whatever way round', () => {
  assert.equal(importCycle(tree), undefined);
});

test('a public.ts offers names of its own domain, one by one', () => {
  assert.deepEqual(foreignExports(tree), []);
  assert.deepEqual(starExports(tree), []);
});

test('files and folders stay small enough to read', () => {
  assert.deepEqual(tooLongFiles(tree), []);
  assert.deepEqual(crowdedFolders(tree), []);
});

test('names are kebab-case and name a concept', () => {
  assert.deepEqual(badNames(tree), []);
});

test('every domain has the same shape and a README of at most 20 lines', () => {
  assert.deepEqual(misshapenDomains(tree, CONCEPTS), []);
});

test('every table has one writer', () => {
  assert.ok(tableOwners(tree).size > 40, 'the owners of the tables are found');
  assert.deepEqual(foreignWrites(tree, OWN_DATABASES), []);
});

test('policies of features, monitoring, retraining and releases read event time only; jobs read wall time only', () => {
  assert.deepEqual(wallTimeInPolicy(tree), []);
  assert.deepEqual(eventTimeInJobs(tree), []);
});

test('settings are read in one place', () => {
  assert.deepEqual(environmentReaders(tree, ENVIRONMENT_READERS), []);
});

test('every test runs, against real modules', () => {
  assert.deepEqual(moduleMocks(tree), []);
  assert.deepEqual(unrunTests(tree), []);
  assert.deepEqual(emptyTests(tree), []);
});
