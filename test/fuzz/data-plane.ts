// Hostile requests to every protocol of the data plane: refused in the protocol's own shape, nothing logged.
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import type { TestContext } from 'node:test';
import { mlflowScoringDialect } from '../../src/dialects/mlflow-scoring/mlflow-scoring.ts';
import { oipDialect } from '../../src/dialects/oip/oip.ts';
import { runPlane } from '../../src/domains/serving/fixtures/plane.ts';
import { declaredErrors } from '../../src/kernel/errors.ts';
import { silentLog } from '../../src/kernel/log.ts';
import type { Fuzz } from './control-plane.ts';
import { asText, encode, nasty, randomOf, spoil, wireBody, type Random } from './hostile.ts';

const LIMIT = 512 * 1024;
const row = { origin: 'JFK', carrier: 'DL', hour: 7 };
const tensor = (name: string, datatype: string, value: unknown) => ({ name, shape: [1], datatype, data: [value] });

/** A good request of each kind; the path's placeholder is the endpoint. */
const kinds = [
  { method: 'POST', path: '/endpoints/:endpoint/predict', body: { inputs: row } },
  { method: 'POST', path: '/endpoints/:endpoint/predict', body: { rows: [row, row] } },
  {
    method: 'POST',
    path: '/v2/models/:endpoint/infer',
    body: { inputs: [tensor('origin', 'BYTES', 'JFK'), tensor('carrier', 'BYTES', 'DL'), tensor('hour', 'INT64', 7)] },
  },
  {
    method: 'POST',
    path: '/v2/models/:endpoint/versions/1/infer',
    body: { id: 'a', inputs: [tensor('origin', 'BYTES', 'JFK'), tensor('hour', 'INT64', 7)], outputs: [{ name: 'probabilities' }] },
  },
  { method: 'GET', path: '/v2/models/:endpoint', body: undefined },
  { method: 'GET', path: '/v2/models/:endpoint/ready', body: undefined },
  { method: 'GET', path: '/v2/models/:endpoint/versions/:endpoint', body: undefined },
  { method: 'GET', path: '/v2', body: undefined },
  { method: 'POST', path: '/invocations', body: { dataframe_records: [row] } },
  { method: 'POST', path: '/invocations', body: { dataframe_split: { columns: ['origin', 'carrier', 'hour'], data: [['JFK', 'DL', 7]] } } },
  { method: 'POST', path: '/endpoints/:endpoint/invocations', body: { instances: [row], inputs: row } },
  { method: 'POST', path: '/internal/seal', body: {} },
  { method: 'PUT', path: '/:endpoint/nothing', body: {} },
] as const;

const shapes = {
  gyre: (body: Record<string, unknown>) => declaredErrors().has(String(body.code)) && typeof body.detail === 'string',
  oip: (body: Record<string, unknown>) => typeof body.error === 'string' && body.error !== '',
  mlflow: (body: Record<string, unknown>) => typeof body.error_code === 'string' && typeof body.message === 'string',
};
const shapeOf = (path: string): keyof typeof shapes =>
  path.startsWith('/v2') ? 'oip' : /^\/(endpoints\/[^/]+\/)?invocations/.test(path) ? 'mlflow' : 'gyre';

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** As raw as node:http lets it be: a path is sent as it is. */
const send = (url: string, method: string, path: string, headers: Record<string, string>, body: Buffer | undefined): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const call = httpRequest(
      { hostname, port, method, path, headers: { ...headers, ...(body ? { 'content-length': body.length } : {}) }, timeout: 20_000 },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.on('error', reject);
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer')));
    call.on('error', reject);
    call.end(body);
  });

const hostileHeaders = (random: Random): Record<string, string> =>
  random.chance(0.2)
    ? {
        [random.pick([
          'gyre-event-time',
          'content-encoding',
          'inference-header-content-length',
          'x-gyre-workspace',
          'origin',
          'authorization',
        ])]: random.pick(['NaN', '-1', '1e999', 'gzip', '../..', '9'.repeat(60), 'null', 'Bearer x']),
      }
    : {};

export async function fuzzDataPlane(t: TestContext, { seed, rounds }: Fuzz): Promise<void> {
  t.diagnostic(`TEST_SEED=${seed}`);
  const defects: string[] = [];
  const plane = await runPlane(t, {
    dialects: [oipDialect, mlflowScoringDialect],
    bodyLimitBytes: LIMIT,
    log: { ...silentLog, error: (line) => void defects.push(JSON.stringify(line, (_, v: unknown) => (v instanceof Error ? v.stack : v))) },
  });
  const random = randomOf(seed);
  const found = new Map<string, string>();
  const seen = { refused: 0, taken: 0 };
  const logged = async (): Promise<number> =>
    Number(
      /gyre_inference_records_written_total(?:\{[^}]*\})? (\d+)/.exec(
        (await send(plane.url, 'GET', '/metrics', {}, undefined)).text,
      )?.[1] ?? 0,
    );
  for (const kind of kinds)
    for (let i = 0; i < rounds; i++) {
      const path = kind.path.replaceAll(':endpoint', () =>
        random.chance(0.7) ? 'late-arrival' : encode(asText(random.pick(nasty))).slice(0, 4000),
      );
      const value = spoil(random.chance(0.3) ? spoil(kind.body, random) : kind.body, random);
      const { body, headers } = kind.body === undefined ? { body: undefined, headers: {} } : wireBody(value, random, LIMIT);
      const safe = Object.fromEntries(
        Object.entries({ ...headers, ...hostileHeaders(random) }).filter(([, v]) => /^[\x20-\x7e]*$/.test(v)),
      );
      const method = random.chance(0.05) ? random.pick(['DELETE', 'PATCH', 'GET', 'OPTIONS']) : kind.method;
      const shown = `TEST_SEED=${seed}: ${method} ${path.slice(0, 200)} ${JSON.stringify(safe)} ${body?.toString('latin1').slice(0, 300) ?? ''}`;
      const before = await logged();
      try {
        const { status, text } = await send(plane.url, method, path, safe, body);
        if (status < 400) {
          seen.taken += 1;
          continue;
        }
        seen.refused += 1;
        assert.ok(status < 500, `${status} ${text} ${defects.at(-1) ?? ''} to ${shown}`);
        const right = shapes[shapeOf(path)];
        // MLflow's scoring server says this one in plain text.
        const plain = status === 415 && shapeOf(path) === 'mlflow';
        assert.ok(plain ? text !== '' : right(JSON.parse(text) as Record<string, unknown>), `${text} has another shape: ${shown}`);
        assert.equal(await logged(), before, `a refused request was logged: ${shown}`);
      } catch (error) {
        found.set(`${kind.path} ${i}`, `${(error as Error).message} (${shown})`.slice(0, 1500));
      }
    }
  assert.deepEqual([...found.values()].slice(0, 10), []);
  t.diagnostic(`${seen.refused} requests refused, ${seen.taken} taken`);
  assert.equal((await plane.send('/endpoints/late-arrival/predict', { inputs: row })).status, 200, 'it still answers what is right');
  assert.ok((await logged()) > 0, 'the log counts');
}
