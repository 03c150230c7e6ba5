import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProject } from '../projects/public.ts';
import { joinedBy, truthOf } from './truth.ts';

const project = parseProject(`
project: trips
code: [fit.py]
datasets:
  trips: { source: trips.parquet, key: [trip], occurred_at: at, known_at: done }
features:
  services: { trip: { views: [], request: [trip, carrier, who] } }
pipelines:
  train:
    steps:
      rows: { features: trip, spine: { dataset: trips, at: at, label: late, between: [2013-01-01, 2013-02-01] } }
      fit: { run: python fit.py, in: [rows], out: { model: { logged: model } } }
      test: { evaluate: fit.model, on: { features: trip, spine: { dataset: trips, at: at - interval 2 hours, label: late, where: late is not null, between: [2013-02-01, 2013-03-01] } } }
      register: { model: late, from: fit.model, evaluation: test }
models: { late: { task: binary }, other: { task: binary } }
endpoints:
  late: { model: late, features: trip, personal: [who] }
  other: { model: other, features: trip }
`);
const columns = (dataset: string) => (dataset === 'trips' ? ['trip', 'carrier', 'who', 'at', 'late'] : undefined);

test('nothing has to be said: the truth is what the endpoint’s model was evaluated on, joined by moment and shared columns', () => {
  const choice = truthOf(project, project.endpoints.late!, columns);
  assert.deepEqual(choice, {
    ok: true,
    truth: { dataset: 'trips', label: 'late', where: 'late is not null', at: 'at - interval 2 hours', keys: ['trip', 'carrier'] },
  });
  assert.equal(choice.ok && joinedBy(choice.truth), 'moment of the prediction, trip, carrier');
});

test('a caller may say any part of it; a moment of null means that keys alone tell rows apart', () => {
  const choice = truthOf(project, project.endpoints.late!, columns, { label: 'late > 2', at: null, keys: ['trip'] });
  assert.deepEqual(choice, {
    ok: true,
    truth: { dataset: 'trips', label: 'late > 2', where: 'late is not null', at: null, keys: ['trip'] },
  });
});

test('what cannot be joined says why', () => {
  const why = (...args: Parameters<typeof truthOf>): string => {
    const choice = truthOf(...args);
    return choice.ok ? '' : choice.why;
  };
  assert.match(why(project, project.endpoints.other!, columns), /no pipeline evaluates/);
  assert.match(
    why(project, project.endpoints.late!, () => undefined),
    /"trips" has no version/,
  );
  assert.match(why(project, project.endpoints.late!, columns, { keys: ['nope'] }), /no column "nope"/);
  assert.match(why(project, project.endpoints.late!, columns, { keys: [], at: null }), /no key is shared/);
});
