// The project moves on while an endpoint still serves the revision that it was released with.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openOnlineWriter } from '../../features/online-store.ts';
import { MARCH_US, runPlane } from '../fixtures/plane.ts';
import { findPrediction } from '../log/segment.ts';
import { servingPaths } from '../plan.ts';

test('A view that is filled by a newer definition gives the endpoint its columns by name', async (t) => {
  const plane = await runPlane(t);
  const inputsOf = async () => {
    const { body } = await plane.send('/endpoints/late-arrival/predict', { inputs: { origin: 'EWR', carrier: 'UA', hour: 20 } });
    return findPrediction(servingPaths(plane.dir).log, String(body.predictionId))!;
  };
  assert.deepEqual((await inputsOf()).inputs, { carrier: 'UA', hour: 20, temp: 141, wind_speed: 70.5 });
  const refill = (columns: readonly string[], values: readonly number[]): void => {
    const writer = openOnlineWriter(join(plane.dir, 'features', 'flights.sqlite'));
    const hour = 3_600_000_000;
    writer.declare({ name: 'weather', entity: ['origin'], columns: columns.map((name) => ({ name, type: 'number' })), ttlUs: 6 * hour });
    writer.append('weather', [{ entity: ['EWR'], occurredAtUs: MARCH_US - hour, knownAtUs: MARCH_US - hour, values }]);
    writer.close();
  };
  refill(['humidity', 'wind_speed', 'temp'], [1, 2, 3]);
  const { inputs, features } = await inputsOf();
  assert.deepEqual([inputs.temp, inputs.wind_speed, features[0]!.fact?.values], [3, 2, { temp: 3, wind_speed: 2 }]);
  // A column that is gone is missing, and the endpoint's own rule for it holds.
  refill(['temp'], [4]);
  const after = (await inputsOf()).inputs;
  assert.deepEqual([after.temp, after.wind_speed], [4, 5]);
});
