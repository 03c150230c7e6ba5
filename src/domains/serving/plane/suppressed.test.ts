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

test('Of an endpoint with one variant a part is logged where that is wished; of several variants all is', async (t) => {
  const dir = folder(t);
  const personal: [] = [];
  const half = endpointOf({ log: { personal, share: 0.5 } });
  const [first] = half.variants;
  const pair = [
    { ...first!, weight: 0.5 },
    { ...first!, id: 'candidate', weight: 0.5 },
  ];
  const endpoints = [
    half,
    endpointOf({ name: 'none', log: { personal, share: 0 } }),
    endpointOf({ name: 'compared', log: { personal, share: 0 }, variants: pair }),
  ];
  const plane = await runPlane(t, { dir, plan: planOf(1, endpoints) });
  const { log } = servingPaths(plane.dir);
  const logged = async (endpoint: string): Promise<number> => {
    const rows = Array.from({ length: 200 }, () => inputs);
    const { body } = await plane.send(`/endpoints/${endpoint}/predict`, { rows });
    const ids = (body.predictions as unknown as { predictionId: string }[]).map((p) => p.predictionId);
    const found = ids.filter((id) => findPrediction(log, id) !== undefined);
    assert.ok(ids.every((id) => found.includes(id) || /^r1\.sampled\.\d+$/.test(id)));
    assert.equal(new Set(ids).size, 200);
    return found.length;
  };
  // Fewer than 60 or more than 140 of 200 fair coins: once in a hundred million runs.
  const of200 = await logged('late-arrival');
  assert.ok(of200 > 60 && of200 < 140, String(of200));
  assert.deepEqual([await logged('none'), await logged('compared')], [0, 200]);
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
