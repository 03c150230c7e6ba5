import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { endpointOf, planOf, runPlane } from '../fixtures/plane.ts';
import { readSegment } from '../log/segment.ts';
import { internalToken, servingKey, servingPaths } from '../plan.ts';
import { faultOf, injectedFault } from './fault-injection.ts';

const variant = { id: 'v1', model: 'm', modelVersion: '1', modelDigest: 'd', modelPath: 'p', weight: 1 };

test('the tag of a version asks for a share of failures, and only one that makes sense is heeded', () => {
  const asked = (value: string) => faultOf([{ key: 'gyre.fault.error_rate', value }]);
  assert.deepEqual(asked('0.05'), { errorRate: 0.05 });
  for (const value of ['0', '-1', '2', 'all', '']) assert.equal(asked(value), undefined, value);
  assert.equal(faultOf([]), undefined);
});

test('which requests fail is a matter of their key, or of their time and content without one', () => {
  const of = (i: number, key: string | null) =>
    injectedFault({ ...variant, fault: { errorRate: 0.05 } }, { salt: 's', assignmentKey: key, eventTimeUs: i, request: [i % 7] });
  const share = (key: (i: number) => string | null): number =>
    Array.from({ length: 20_000 }, (_, i) => of(i, key(i))).filter((f) => f !== undefined).length / 20_000;
  for (const key of [(i: number) => `k${i}`, () => null]) assert.ok(Math.abs(share(key) - 0.05) < 0.006, String(share(key)));
  const again = Array.from({ length: 500 }, (_, i) => of(i, `k${i}`));
  assert.deepEqual(
    Array.from({ length: 500 }, (_, i) => of(i + 99, `k${i}`)),
    again,
  );
  assert.match(
    again.find((f) => f !== undefined)!,
    /^injected fault: gyre\.fault\.error_rate=0\.05 of version 1$/,
  );
  assert.equal(injectedFault(variant, { salt: 's', assignmentKey: 'k', eventTimeUs: 1, request: [] }), undefined);
});

test('an injected fault is a failure of the model like any other, and its record names the injection', async (t) => {
  const [variant] = endpointOf().variants;
  const plane = await runPlane(t, { plan: planOf(1, [endpointOf({ variants: [{ ...variant!, fault: { errorRate: 1 } }] })]) });
  const reply = await plane.send('/endpoints/late-arrival/predict', { inputs: { origin: 'JFK', carrier: 'DL', hour: 7 } });
  assert.deepEqual([reply.status, String(reply.body.code)], [500, 'model-run-failed']);
  const counts = await fetch(`${plane.url}/internal/counts`, {
    headers: { authorization: `Bearer ${internalToken(servingKey(plane.dir))}` },
  });
  assert.deepEqual(await counts.json(), {
    items: [{ workspace: 'default', endpoint: 'late-arrival', revision: 1, variant: 'stable', requests: 1, errors: 1 }],
  });
  assert.equal((await fetch(`${plane.url}/internal/counts`)).status, 401);
  await plane.close();
  const log = join(servingPaths(plane.dir).log, 'r1');
  const records = readdirSync(log).flatMap((name) => readSegment(join(log, name)).records);
  assert.deepEqual(
    records.map((r) => [r.score, r.error?.slice(0, 14)]),
    [[null, 'injected fault']],
  );
});
