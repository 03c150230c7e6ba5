import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hmacOf, subjectKey } from '../../subjects/public.ts';
import { endpointOf, folder, planOf, runPlane } from '../fixtures/plane.ts';
import { eraseFromSegment } from '../log/erase-segment.ts';
import { findPrediction, readSegment, sealedSegments } from '../log/segment.ts';
import { servingPaths } from '../plan.ts';

const path = '/endpoints/late-arrival/predict';
const inputs = { origin: 'EWR', carrier: 'UA', hour: 20 };

test('A prediction about an erased subject is answered and leaves no record; the others of its turn do', async (t) => {
  const dir = folder(t);
  const suppressed = [{ columns: ['carrier'], hmac: hmacOf(subjectKey(dir), 'AA-gone') }];
  const plane = await runPlane(t, { dir, plan: planOf(1, [endpointOf({ suppressed })]) });
  const [about, other] = await Promise.all(
    ['AA-gone', 'UA'].map((carrier) => plane.send(path, { inputs: { ...inputs, carrier, flight_id: `${carrier}1` } })),
  );
  assert.deepEqual([about!.status, other!.status], [200, 200], JSON.stringify(about!.body));
  assert.match(String(about!.body.predictionId), /^r1\.suppressed\.\d+$/);
  const { log } = servingPaths(plane.dir);
  assert.equal(findPrediction(log, String(about!.body.predictionId)), undefined);
  assert.equal(findPrediction(log, String(other!.body.predictionId))?.request.carrier, 'UA');
  await plane.close();
  for (const segment of sealedSegments(`${log}/r1`)) assert.equal(readFileSync(segment).includes('AA-gone'), false);
});

test('A segment without a record keeps the ids of the others, once and when it is done again', async (t) => {
  const plane = await runPlane(t);
  const ids: string[] = [];
  for (const carrier of ['UA', 'AA-gone', 'DL'])
    ids.push(String((await plane.send(path, { inputs: { ...inputs, carrier } })).body.predictionId));
  await plane.close();
  const { log } = servingPaths(plane.dir);
  const [segment] = sealedSegments(`${log}/r1`);
  const isGone = (r: { readonly request: Readonly<Record<string, unknown>> }): boolean => r.request.carrier === 'AA-gone';
  assert.deepEqual(eraseFromSegment(segment!, isGone), [ids[1]]);
  assert.deepEqual(eraseFromSegment(segment!, isGone), []);
  assert.deepEqual(
    ids.map((id) => findPrediction(log, id)?.request.carrier),
    ['UA', undefined, 'DL'],
  );
  assert.deepEqual([readSegment(segment!).torn, readFileSync(segment!).includes('AA-gone')], [false, false]);
});
