import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { isProblem } from '../../../kernel/errors.ts';
import { DAY_US, endpointOf, folder, MARCH_US, planOf, runPlane, sealModel } from '../fixtures/plane.ts';
import { findPrediction, readSegment } from '../log/segment.ts';
import { internalToken, readAck, servingKey, servingPaths } from '../plan.ts';

const path = '/endpoints/late-arrival/predict';
const inputs = { origin: 'EWR', carrier: 'UA', hour: 20 };
const hour = 3_600_000_000;
const at = (us: number) => ({ 'gyre-event-time': String(us) });

test('A prediction looks its features up as of the event time and is logged with what it was made from', async (t) => {
  const plane = await runPlane(t);
  const reply = await plane.send(path, { inputs: { ...inputs, flight_id: 'UA1' } }, at(MARCH_US - DAY_US));
  assert.equal(reply.status, 200, JSON.stringify(reply.body));
  const score = Number(reply.body.score);
  assert.ok(score > 0 && score < 1);
  const id = String(reply.body.predictionId);
  assert.equal(reply.headers.get('gyre-prediction-id'), id);
  assert.deepEqual([reply.body.modelVersion, reply.body.variant, reply.body.revision], ['1', 'stable', 1]);
  const record = findPrediction(servingPaths(plane.dir).log, id)!;
  const { parse, features, queue, model } = record.stagesUs!;
  for (const took of [parse, features, queue, model]) assert.ok(Number.isInteger(took) && took > 0, JSON.stringify(record.stagesUs));
  // The newest fact known a day before March is that of 23:00, known at 23:10.
  const occurredAtUs = MARCH_US - DAY_US - hour;
  assert.deepEqual(record.features, [
    {
      view: 'weather',
      entity: ['origin'],
      fact: { knownAtUs: occurredAtUs + hour / 6, occurredAtUs, values: { temp: 69, wind_speed: 34.5 } },
    },
  ]);
  assert.deepEqual(
    [record.request, record.inputs, record.score, record.eventTimeUs, record.assignmentKey, record.assignment],
    [inputs, { carrier: 'UA', hour: 20, temp: 69, wind_speed: 34.5 }, score, MARCH_US - DAY_US, 'UA1', 'sticky'],
  );
});

test('On the replay timeline the header sets the time, in both forms; without it the plan does', async (t) => {
  const plane = await runPlane(t);
  const tempAt = async (headers: Record<string, string>) =>
    findPrediction(servingPaths(plane.dir).log, String((await plane.send(path, { inputs }, headers)).body.predictionId))!.inputs.temp;
  assert.equal(await tempAt({}), 141);
  assert.equal(await tempAt(at(MARCH_US - 2 * hour)), 135);
  assert.equal(await tempAt({ 'gyre-event-time': '2013-02-28T22:00:00Z' }), 135);
  assert.equal(await tempAt({ 'gyre-event-time': '2013-02-28T17:00:00.000000-05:00' }), 135);
  for (const bad of ['yesterday', '2013-02-28', '2013-02-28T22:00:00', '-5', '1e9', '99999999999999999999']) {
    const reply = await plane.send(path, { inputs }, { 'gyre-event-time': bad });
    assert.deepEqual([reply.status, reply.body.code], [400, 'event-time-invalid'], bad);
  }
});

test('On the live timeline the wall clock is the time and the header is refused', async (t) => {
  const plane = await runPlane(t, { now: () => MARCH_US / 1000, plan: planOf(1, [endpointOf({ timeline: { mode: 'live', nowUs: 0 } })]) });
  const refused = await plane.send(path, { inputs }, at(MARCH_US));
  assert.deepEqual([refused.status, refused.body.code], [400, 'event-time-not-replay']);
  const { body } = await plane.send(path, { inputs });
  const record = findPrediction(servingPaths(plane.dir).log, String(body.predictionId))!;
  assert.deepEqual([record.eventTimeUs, record.inputs.temp], [MARCH_US, 141]);
});

test('A fact beyond its TTL, or not yet known, is not served', async (t) => {
  const plane = await runPlane(t);
  const factAt = async (us: number) =>
    findPrediction(servingPaths(plane.dir).log, String((await plane.send(path, { inputs }, at(us))).body.predictionId))!.features[0]!.fact
      ?.values.temp;
  const last = MARCH_US - hour;
  assert.equal(await factAt(last + hour / 6 - 1), 138);
  assert.equal(await factAt(last + hour / 6), 141);
  assert.equal(await factAt(last + DAY_US / 4), 141);
  assert.equal(await factAt(last + DAY_US / 4 + 1), undefined);
});

test('What is missing, unknown, NaN or of the wrong type goes as each column declares, and is counted', async (t) => {
  const plane = await runPlane(t);
  const ask = (row: unknown) => plane.send(path, { inputs: row });
  const used = async (row: unknown) => {
    const { status, body } = await ask(row);
    assert.equal(status, 200, JSON.stringify(body));
    return findPrediction(servingPaths(plane.dir).log, String(body.predictionId))!.inputs;
  };
  assert.deepEqual(await used({ origin: 'XXX', carrier: 'UA', hour: 1 }), { carrier: 'UA', hour: 1, temp: null, wind_speed: 5 });
  assert.deepEqual(await used({ origin: 'EWR' }), { carrier: null, hour: 12, temp: 141, wind_speed: 70.5 });
  assert.equal((await used({ ...inputs, hour: 'noon' })).hour, 12);
  assert.equal((await used({ ...inputs, hour: 1.5 })).hour, 12);
  assert.equal((await used({ ...inputs, hour: 2 ** 53 + 2 })).hour, 12);
  const bare = await plane.send(path, '{"inputs": {"origin": "EWR", "carrier": NaN, "hour": -Infinity}}');
  assert.equal(bare.status, 200, JSON.stringify(bare.body));
  for (const [row, column] of [
    [{ carrier: 'UA' }, 'origin'],
    [{ ...inputs, origin: 7 }, 'origin'],
    [{ ...inputs, carrier: 7 }, 'carrier'],
    [{ ...inputs, extra: 1 }, 'extra'],
    [{ ...inputs, temp: 3 }, 'temp'],
  ] as const) {
    const { status, body } = await ask(row);
    assert.deepEqual(
      [status, body.code, (body.errors as unknown as { pointer: string }[])[0]!.pointer],
      [400, 'prediction-input-invalid', `/inputs/${column}`],
    );
    assert.match(String(body.detail), new RegExp(`"${column}"`));
  }
  const metrics = String((await plane.send('/metrics')).body);
  assert.match(
    metrics,
    /gyre_serving_input_faults_total\{endpoint="late-arrival",column="temp",kind="unknown-entity",outcome="replaced"\} 1/,
  );
  assert.match(metrics, /gyre_serving_input_faults_total\{endpoint="late-arrival",column="hour",kind="wrong-type",outcome="replaced"\} 2/);
  assert.match(metrics, /gyre_serving_input_faults_total\{endpoint="late-arrival",column="carrier",kind="nan",outcome="replaced"\} 1/);
  assert.match(metrics, /gyre_predictions_total\{endpoint="late-arrival",variant="stable"\} 6/);
});

test('A row that the model fails on fails alone, with a record that says why', async (t) => {
  const plane = await runPlane(t, { plan: null });
  const modelPath = sealModel(plane.dir, 'picky');
  await plane.publish(
    planOf(1, [
      endpointOf({
        variants: [{ id: 'v', model: 'picky', modelVersion: '1', modelDigest: 'picky', modelPath, weight: 1 }],
        request: [{ name: 'x', type: 'integer', missing: null }],
        featureService: null,
        output: { score: 'score' },
      }),
    ]),
  );
  const replies = await Promise.all([0, 1, 99, 2].map((x) => plane.send(path, { inputs: { x } })));
  assert.deepEqual(
    replies.map((r) => r.status),
    [200, 200, 500, 200],
  );
  assert.deepEqual(
    [0, 1, 3].map((i) => Math.round(Number(replies[i]!.body.score) * 10)),
    [1, 2, 3],
  );
  assert.equal(replies[2]!.body.code, 'model-run-failed');
  const { body } = await plane.send('/internal/seal', {}, { authorization: `Bearer ${internalToken(servingKey(plane.dir))}` });
  const records = (body.segments as unknown as { path: string }[]).flatMap((s) => readSegment(s.path).records);
  assert.deepEqual(
    records.filter((r) => r.error !== null).map((r) => [r.inputs.x, r.score]),
    [[99, null]],
  );
  // An integer input of a model cannot be missing, whatever the endpoint declares.
  assert.equal((await plane.send(path, { inputs: {} })).status, 400);
});

test('Rows of one request are answered in order, with consecutive ids, or not at all', async (t) => {
  const plane = await runPlane(t);
  const rows = Array.from({ length: 300 }, (_, i) => ({ ...inputs, hour: i % 24 }));
  const reply = await plane.send(path, { rows });
  const predictions = reply.body.predictions as unknown as { predictionId: string; score: number }[];
  assert.deepEqual(
    [predictions.length, reply.headers.get('gyre-prediction-id'), reply.headers.get('gyre-prediction-count')],
    [300, predictions[0]!.predictionId, '300'],
  );
  for (const i of [0, 1, 255, 256, 299]) {
    const alone = await plane.send(path, { inputs: rows[i] });
    assert.equal(Number(alone.body.score), predictions[i]!.score, `row ${i}`);
    assert.equal(findPrediction(servingPaths(plane.dir).log, predictions[i]!.predictionId)!.inputs.hour, i % 24);
  }
  const before = findAll(plane.dir);
  const refused = await plane.send(path, { rows: [inputs, { carrier: 'UA' }] });
  assert.equal((refused.body.errors as unknown as { pointer: string }[])[0]!.pointer, '/rows/1/origin');
  assert.equal(findAll(plane.dir), before);
  assert.equal((await plane.send(path, { rows: Array.from({ length: 5000 }, () => inputs) })).body.code, 'too-many-rows');
});

const findAll = (dir: string): number => {
  let count = 0;
  while (findPrediction(servingPaths(dir).log, lastSegment(dir, count))) count++;
  return count;
};
const lastSegment = (dir: string, index: number): string => {
  const { readdirSync } = process.getBuiltinModule('node:fs');
  return `r1.${readdirSync(join(servingPaths(dir).log, 'r1'))[0]!.split('.')[0]}.${index}`;
};

test('Without a plan the process is ready and has no endpoints; a plan that comes is taken and acknowledged', async (t) => {
  const plane = await runPlane(t, { plan: null });
  assert.equal((await plane.send('/ready')).status, 200);
  assert.equal((await plane.send('/health')).body, 'OK' as never);
  assert.equal((await plane.send(path, { inputs })).body.code, 'endpoint-not-served');
  await plane.publish(planOf(7));
  assert.equal((await plane.send(path, { inputs })).status, 200);
  const ack = readAck(plane.dir, 'r1')!;
  assert.deepEqual(
    [ack.number, ack.url, ack.endpoints, ack.failures],
    [7, plane.url, [{ workspace: 'default', name: 'late-arrival', revision: 1 }], []],
  );
});

test('A plan that is edited, cut, unsigned or older than the one in use is not taken', async (t) => {
  const plane = await runPlane(t, { plan: planOf(5) });
  const file = servingPaths(plane.dir).plan;
  const good = readFileSync(file, 'utf8');
  for (const bad of [
    good.replace('"number":5', '"number":6'),
    good.slice(0, 300),
    '{}',
    'null',
    '',
    good.replace(/"signature":"[^"]*"/, '"signature":"hmac-sha256:00"'),
  ]) {
    writeFileSync(file, bad);
    await plane.refresh();
    assert.equal(readAck(plane.dir, 'r1')!.number, 5);
  }
  await plane.publish(planOf(4, []));
  assert.equal((await plane.send(path, { inputs })).status, 200);
  await plane.publish(planOf(6, []));
  assert.equal((await plane.send(path, { inputs })).status, 404);
});

test('An endpoint that cannot be taken keeps its older revision, and the acknowledgement says why', async (t) => {
  const plane = await runPlane(t);
  const variant = endpointOf().variants[0]!;
  const broken = {
    missing: endpointOf({ revision: 2, variants: [{ ...variant, modelDigest: 'other', modelPath: 'models/absent' }] }),
    score: endpointOf({ revision: 2, output: { score: 'nothing' } }),
    columns: endpointOf({ revision: 2, request: endpointOf().request.filter((c) => c.name !== 'hour') }),
    types: endpointOf({
      revision: 2,
      request: endpointOf().request.map((c) => (c.name === 'carrier' ? { ...c, type: 'number' as const } : c)),
    }),
    default: endpointOf({
      revision: 2,
      request: endpointOf().request.map((c) => (c.name === 'hour' ? { ...c, missing: { default: 'noon' } } : c)),
    }),
  };
  const codes = {
    missing: 'onnx-unreadable',
    score: 'onnx-signature-unsupported',
    columns: 'model-columns-mismatch',
    types: 'model-columns-mismatch',
    default: 'model-columns-mismatch',
  };
  let number = 2;
  for (const [name, endpoint] of Object.entries(broken)) {
    await plane.publish(planOf(number++, [endpoint, endpointOf({ name: 'other' })]));
    const ack = readAck(plane.dir, 'r1')!;
    assert.deepEqual(
      [ack.endpoints.map((e) => `${e.name}:${e.revision}`), ack.failures.map((f) => f.code)],
      [['late-arrival:1', 'other:1'], [codes[name as keyof typeof codes]]],
      name,
    );
    assert.equal((await plane.send(path, { inputs })).body.revision, 1 as never);
  }
});

test('A plan is swapped under load without one failed request, and the old model is let go', async (t) => {
  const plane = await runPlane(t);
  const endpoints = ['late', 'zipmap', 'late2'].map((digest, i) => {
    const modelPath = sealModel(plane.dir, digest === 'zipmap' ? 'zipmap' : 'late', digest);
    return endpointOf({
      revision: i + 2,
      output: { score: digest === 'zipmap' ? 'output_probability' : 'probabilities' },
      variants: [{ id: digest, model: 'late-arrival', modelVersion: String(i), modelDigest: digest, modelPath, weight: 1 }],
    });
  });
  let swapping = true;
  const seen = new Set<string>();
  const clients = Array.from({ length: 8 }, async () => {
    while (swapping) {
      const reply = await plane.send(path, { inputs });
      assert.equal(reply.status, 200, JSON.stringify(reply.body));
      seen.add(String(reply.body.modelVersion));
    }
  });
  for (let number = 2; number < 32; number++) await plane.publish(planOf(number, [endpoints[number % 3]!]));
  swapping = false;
  await Promise.all(clients);
  assert.ok(seen.size >= 3, [...seen].join());
});

test('With tokens only their endpoints answer, until they expire; internal routes take only the folder’s key', async (t) => {
  let nowMs = 1000;
  const digest = (token: string) => createHash('sha256').update(token).digest('hex');
  const tokens = [
    { digest: digest('all'), workspace: 'default', endpoints: '*' as const, expiresMs: 2000 },
    { digest: digest('one'), workspace: 'default', endpoints: ['other'], expiresMs: null },
  ];
  const plane = await runPlane(t, {
    now: () => nowMs,
    plan: planOf(1, [endpointOf(), endpointOf({ name: 'other' })], { access: { open: false, tokens } }),
  });
  const as = (token: string) => ({ authorization: `Bearer ${token}` });
  const status = async (endpoint: string, headers: Record<string, string>) =>
    (await plane.send(`/endpoints/${endpoint}/predict`, { inputs }, headers)).status;
  assert.deepEqual(
    [
      await status('other', as('one')),
      await status('late-arrival', as('one')),
      await status('late-arrival', as('all')),
      await status('other', as('wrong')),
      await status('other', {}),
    ],
    [200, 404, 200, 401, 401],
  );
  nowMs = 2000;
  assert.equal(await status('late-arrival', as('all')), 401);
  assert.equal((await plane.send('/health')).status, 200);
  assert.equal((await plane.send('/internal/seal', {}, as('one'))).status, 401);
});

test('A page of another site, and another host name, are refused on the open loopback', async (t) => {
  const plane = await runPlane(t);
  assert.equal((await plane.send(path, { inputs }, { origin: 'https://evil.example' })).status, 403);
  const { port } = new URL(plane.url);
  const status = await new Promise<number | undefined>((resolve) =>
    request({ port, path: '/v2', headers: { host: 'evil.example' } }, (r) => resolve(r.resume().statusCode)).end(),
  );
  assert.equal(status, 403);
});

test('On an address that others reach a token is needed, whatever the plan of the loopback says', async (t) => {
  const plane = await runPlane(t, { host: '0.0.0.0' });
  assert.equal((await plane.send(path, { inputs })).status, 401);
  await plane.publish(planOf(2, [endpointOf()], { access: { open: true, tokens: [] } }));
  assert.equal((await plane.send(path, { inputs }, { host: 'localhost' })).status, 401);
  assert.equal((await plane.send('/health')).status, 200);
});

test('The control plane can have the log sealed and reads every answered prediction in the segments named', async (t) => {
  const plane = await runPlane(t);
  const ids = await Promise.all(Array.from({ length: 20 }, async () => String((await plane.send(path, { inputs })).body.predictionId)));
  const { body } = await plane.send('/internal/seal', {}, { authorization: `Bearer ${internalToken(servingKey(plane.dir))}` });
  const sealed = (body.segments as unknown as { path: string }[]).flatMap((s) => readSegment(s.path).records.map((r) => r.id));
  assert.deepEqual(ids.sort(), sealed.sort());
});

test('Personal columns are dropped or replaced by an HMAC wherever the record would hold them', async (t) => {
  const endpoint = endpointOf({
    log: {
      personal: [
        { column: 'carrier', how: 'drop' },
        { column: 'flight_id', how: 'hmac' },
      ],
    },
  });
  const plane = await runPlane(t, { plan: planOf(1, [endpoint]) });
  const { body } = await plane.send(path, { inputs: { ...inputs, flight_id: 'Ada' } });
  const record = findPrediction(servingPaths(plane.dir).log, String(body.predictionId))!;
  assert.deepEqual([record.request.carrier, record.inputs.carrier], [null, null]);
  assert.match(record.assignmentKey!, /^hmac:[0-9a-f]{32}$/);
  const again = await plane.send(path, { inputs: { ...inputs, flight_id: 'Ada' } });
  assert.equal(findPrediction(servingPaths(plane.dir).log, String(again.body.predictionId))!.assignmentKey, record.assignmentKey);
});

test('A full disk does not stop predictions; their ids say that no record was kept', async (t) => {
  const plane = await runPlane(t, {
    inferenceLog: {
      write: () => {
        throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      },
    },
  });
  const { status, body } = await plane.send(path, { inputs });
  assert.deepEqual([status, body.predictionId], [200, 'r1.dropped.0']);
  assert.match(String((await plane.send('/metrics')).body), /gyre_inference_records_dropped_total 1/);
});

test('Without its online store an endpoint answers as for unknown entities', async (t) => {
  const plane = await runPlane(t, { plan: null });
  rmSync(join(plane.dir, 'features'), { recursive: true });
  await plane.publish(planOf(1));
  const { body } = await plane.send(path, { inputs });
  assert.equal(findPrediction(servingPaths(plane.dir).log, String(body.predictionId))!.inputs.wind_speed, 5);
});

test('A second process with the same replica name is refused', async (t) => {
  const plane = await runPlane(t);
  await assert.rejects(runPlane(t, { dir: plane.dir, plan: null }), (e) => isProblem(e, 'replica-running'));
});

test('Closing answers what is under way and leaves only sealed segments', async (t) => {
  const dir = folder(t);
  const plane = await runPlane(t, { dir });
  const replies = Promise.allSettled(Array.from({ length: 30 }, () => plane.send(path, { inputs })));
  await plane.send('/health');
  await plane.close();
  // A request that had not been read yet is lost with its connection; what was predicted was answered.
  const answered = (await replies).flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []));
  assert.ok(answered.length > 0 && answered.every((r) => r.status === 200));
  const { readdirSync } = process.getBuiltinModule('node:fs');
  const files = readdirSync(join(servingPaths(dir).log, 'r1'));
  assert.ok(files.length > 0 && files.every((name) => name.endsWith('.seg')));
  const logged = files.flatMap((name) => readSegment(join(servingPaths(dir).log, 'r1', name)).records);
  assert.equal(logged.length, answered.length);
});

test('Whatever the body, path, method or headers, the answer is never a 5xx', async (t) => {
  const plane = await runPlane(t, { bodyLimitBytes: 20_000 });
  const special = [
    '',
    '[]',
    'null',
    '{',
    '{"inputs":[]}',
    '{"inputs":null}',
    '{"rows":[]}',
    '{"rows":[1]}',
    '{"inputs":{},"rows":[]}',
    '{"inputs":{"__proto__":1,"origin":"EWR"}}',
    '{"inputs":{"origin":{"a":1}}}',
    '\u0000',
    '{"inputs":{"hour":1e999,"origin":"EWR","carrier":[]}}',
    `{"inputs":${'['.repeat(9000)}`,
    'x'.repeat(30_000),
  ];
  for (const body of special) {
    const { status } = await plane.send(path, body);
    assert.ok(status >= 400 && status < 500, `${status} for ${body.slice(0, 60)}`);
  }
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom('EWR', 'UA', 1, -0, 2 ** 60, '\u0000NaN'));
  const row = fc.dictionary(
    fc.constantFrom('origin', 'carrier', 'hour', 'flight_id', 'temp', '__proto__', 'constructor', 'toString'),
    value,
    { maxKeys: 5 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.record({ inputs: row }), fc.record({ rows: fc.array(row, { maxLength: 3 }) }), fc.jsonValue()),
      fc.constantFrom(path, '/endpoints/%E0%A4%A/predict', '/endpoints/../predict', '/internal/x', '/'),
      async (body, to) => {
        const { status } = await plane.send(to, JSON.stringify(body));
        assert.ok(status < 500, `${status} for ${JSON.stringify(body)}`);
      },
    ),
    { numRuns: 150 },
  );
  for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS']) assert.ok((await fetch(plane.url + path, { method })).status < 500);
  assert.equal((await fetch(plane.url + path, { method: 'POST', body: '{}', headers: { 'content-encoding': 'zstd' } })).status, 415);
});
