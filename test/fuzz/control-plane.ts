// Hostile requests to every route of the control plane: each is refused in its dialect's shape, and a refused
// request has changed nothing.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { InjectOptions } from 'fastify';
import { sql } from 'kysely';
import { compose } from '../../src/app/compose.ts';
import { startControl, type Control } from '../../src/app/control.ts';
import { serverRoutes } from '../../src/app/server-routes.ts';
import { createToken, createUser } from '../../src/domains/access/service.ts';
import { readSettings } from '../../src/kernel/config/settings.ts';
import { makeCtx } from '../../src/kernel/ctx.ts';
import { declaredErrors } from '../../src/kernel/errors.ts';
import type { AnyRoute } from '../../src/kernel/http/route.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { parquet } from '../support/parquet.ts';
import { mlflowBody } from './mlflow-body.ts';
import { openTestDatabase, type DatabaseKind } from '../support/databases.ts';
import { admin } from '../support/platform.ts';
import { asText, encode, hostileHeaders, nasty, plausible, randomOf, spoil, wireBody, type Random } from './hostile.ts';

const LIMIT = 512 * 1024;
const API = '/api/gyre/v1';

const definition = `project: fuzz
code: [steps/**]
timeline: { mode: replay, start: 2013-02-01T00:00:00Z }
datasets:
  rows: { source: rows/*.parquet, key: [id], occurred_at: seen, known_at: seen }
features:
  views: { latest: { dataset: rows, entity: [id], columns: [x] } }
  services: { plain: { views: [latest], request: [id] } }
pipelines:
  work: { params: { n: 0 }, steps: { one: { run: sh steps/one.sh $n, out: { made: folder } } } }
models: { flat: { task: regression, score: score } }
endpoints: { flat: { model: flat, features: plain } }
`;

/** What the server wrote down as its own defects. */
const defects: string[] = [];

interface Subject {
  readonly control: Control;
  /** Names and ids that exist. */
  readonly known: readonly string[];
  /** Headers of everybody who may ask: one of each role, and nobody. Without users it is the local administrator. */
  readonly callers: readonly Readonly<Record<string, string>>[];
}

async function openSubject(t: TestContext, { kind = 'sqlite', users = false }: Fuzz): Promise<Subject> {
  // These run in the order they are set.
  const ending: (() => Promise<void>)[] = [];
  t.after(() => Promise.all(ending.map((end) => end())));
  const database = await openTestDatabase(t, kind);
  const dir = mkdtempSync(join(tmpdir(), 'gyre-fuzz-'));
  const control = await startControl(
    { ...readSettings({ GYRE_DIR: dir, GYRE_DURABILITY: 'process', GYRE_LOG_LEVEL: 'silent', GYRE_PORT: '0' }), bodyLimitBytes: LIMIT },
    {},
    {
      database,
      log: {
        ...silentLog,
        error: (line) => void defects.push(JSON.stringify(line, (_, v: unknown) => (v instanceof Error ? v.stack : v))),
      },
    },
  );
  ending.push(async () => {
    await control.close({ keepDatabase: true });
    rmSync(dir, { recursive: true, force: true });
  });
  const send = async <T = { id: string }>(method: 'GET' | 'POST' | 'PUT', url: string, body?: Buffer | object): Promise<T> => {
    const raw = Buffer.isBuffer(body);
    const reply = await control.app.inject({
      method,
      url,
      headers: { host: '127.0.0.1', ...(body ? { 'content-type': raw ? 'application/octet-stream' : 'application/json' } : {}) },
      ...(body ? { payload: raw ? body : JSON.stringify(body) } : {}),
    });
    assert.ok(reply.statusCode < 300, `${method} ${url}: ${reply.payload}`);
    return JSON.parse(reply.payload || '{}') as T;
  };
  const upload = async (bytes: Buffer): Promise<string> => {
    const digest = createHash('sha256').update(bytes).digest('hex');
    await send('PUT', `${API}/blobs/${digest}`, bytes);
    return digest;
  };
  const script = await upload(Buffer.from('mkdir out/made; echo $1 > out/made/n'));
  const { id: snapshot } = await send('POST', `${API}/snapshots`, { files: { 'steps/one.sh': script } });
  await send('POST', `${API}/projects/apply`, { text: definition, snapshot });
  const rows = await upload(await parquet(`select i::varchar as id, i::double as x, timestamp '2013-01-01' as seen from range(5) r(i)`));
  const { version } = await send<{ version: { id: string } }>('POST', `${API}/projects/fuzz/datasets/rows/versions`, {
    files: [{ path: 'rows/a.parquet', digest: rows }],
  });
  const { run } = await send<{ run: { info: { run_id: string } } }>('POST', '/api/2.0/mlflow/runs/create', { experiment_id: '0' });
  const { model } = await send<{ model: { info: { model_id: string } } }>('POST', '/api/2.0/mlflow/logged-models', {
    name: 'model',
    experiment_id: '0',
  });
  await send('POST', '/api/2.0/mlflow/registered-models/create', { name: 'flat' });
  await send('POST', '/api/2.0/mlflow/model-versions/create', { name: 'flat', source: 's3://elsewhere/x' });
  await send('PUT', `/api/2.0/mlflow-artifacts/artifacts/0/${run.info.run_id}/artifacts/made`, Buffer.from('made'));
  const { id: pipelineRun } = await send('POST', `${API}/projects/fuzz/pipelines/work/runs`, {});
  await send('POST', `${API}/settle`, {});
  const known = ['fuzz', 'rows', 'work', 'one', 'flat', 'plain', 'made', '0', '1', 'latest', 'default', 'admin', script, rows, version.id];
  return {
    control,
    known: [...known, snapshot, run.info.run_id, model.info.model_id, pipelineRun],
    callers: users ? await callersOf(control) : [{}],
  };
}

async function callersOf(control: Control): Promise<Subject['callers']> {
  const ctx = makeCtx(control.platform, { actor: admin, workspace: 'default' });
  const callers: Record<string, string>[] = [{}, { authorization: 'Bearer gyre_nobody' }];
  for (const role of ['admin', 'editor', 'member', 'viewer', 'service'] as const) {
    // Names that no request hits upon, so that nobody is taken away in the middle.
    const ownerId = `keeper-of-${role}`;
    await createUser(ctx, { name: ownerId, password: 'correct horse battery', role });
    const { secret } = await createToken(ctx, { name: role, role, ownerId });
    callers.push({ authorization: `Bearer ${secret}` });
    if (role === 'admin') callers.push(callers.at(-1)!, callers.at(-1)!, callers.at(-1)!);
  }
  const before = await createToken(ctx, {
    name: 'narrow',
    role: 'admin',
    ownerId: 'keeper-of-admin',
    scope: { resources: ['experiment:0'] },
  });
  return [...callers, { authorization: `Bearer ${before.secret}` }];
}

/** One request of a route: everything plausible, then one or two things spoilt. */
function requestOf(route: AnyRoute, known: readonly string[], random: Random) {
  const spoilt = random.below(4);
  const part = (): string => (spoilt === 0 && random.chance(0.7) ? encode(asText(random.pick(nasty))) : encode(random.pick(known)));
  let path = route.path
    .replace(/:[A-Za-z_]+/g, part)
    .replace(/\*$/, () => (random.chance(0.3) ? '%2e%2e/%2e%2e/etc/passwd' : `0/${part()}/artifacts/${part()}`));
  const query = new URLSearchParams();
  const schema = route.query as { properties?: Record<string, Record<string, unknown>> } | undefined;
  const names = [
    ...Object.keys(schema?.properties ?? {}),
    ...(route.dialect ? ['run_id', 'experiment_id', 'max_results', 'page_token', 'path', 'metric_key'] : []),
  ];
  for (const name of names)
    if (random.chance(0.5))
      query.set(name, spoilt === 1 ? asText(random.pick(nasty)) : asText(plausible(schema?.properties?.[name], random, known)));
  if (spoilt === 1 && random.chance(0.3)) query.set(random.pick(['unknown', '__proto__', 'limit', 'cursor']), asText(random.pick(nasty)));
  if (query.size > 0) path += `?${query.toString()}`;
  if (spoilt === 1 && random.chance(0.1)) path += '%zz&a=%ff';
  if (route.body === undefined && random.chance(0.8)) return { path, body: undefined, headers: {} };
  const plain =
    typeof route.body === 'object' ? plausible(route.body as Record<string, unknown>, random, known) : mlflowBody(random, known);
  const value = spoilt === 0 ? plain : spoil(random.chance(0.3) ? spoil(plain, random) : plain, random);
  return { path, ...wireBody(value, random, LIMIT) };
}

export interface Fuzz {
  readonly seed: number;
  readonly rounds: number;
  readonly kind?: DatabaseKind;
  /** Whether everybody has to log in. */
  readonly users?: boolean;
}

/** How much has happened. What only says who came, or tried to, is written some time later. */
async function recorded({ platform }: Control): Promise<number> {
  const { rows } = await sql<{
    n: number;
  }>`select count(*) as n from events where type not in ('access.denied', 'login.failed', 'token.used')`.execute(platform.database.reader);
  return Number(rows[0]!.n);
}

/** The answer, of which a stream of events without an end is heard no more than the beginning. */
async function answerOf(control: Control, request: InjectOptions) {
  const reply = await control.app.inject({ ...request, payloadAsStream: true });
  const stream = reply.stream();
  const { statusCode, headers } = reply;
  if (String(headers['content-type']).startsWith('text/event-stream')) {
    stream.destroy();
    return { statusCode, headers, payload: '' };
  }
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return { statusCode, headers, payload: Buffer.concat(chunks).toString() };
}

export async function fuzzControlPlane(t: TestContext, fuzz: Fuzz): Promise<void> {
  const { seed, rounds } = fuzz;
  t.diagnostic(`TEST_SEED=${seed}`);
  const { control, known, callers } = await openSubject(t, fuzz);
  const random = randomOf(seed);
  const routes = [
    ...compose(control.platform.blobs, () => '').routes,
    ...serverRoutes(
      () => control,
      () => '',
    ),
  ];
  const codes = declaredErrors();
  const seen = { refused: 0, taken: 0 };
  const found = new Map<string, string>();
  for (const route of routes) {
    // MLflow's handlers stand under four prefixes; one of them is enough to find what they cannot take.
    const times = /^\/(ajax-|api\/3\.0)/.test(route.path) ? 1 : rounds;
    for (let i = 0; i < times; i++) {
      const { path, body, headers: sent } = requestOf(route, known, random);
      const headers = { ...sent, ...random.pick(callers), ...hostileHeaders(random) };
      const shown = `TEST_SEED=${seed}: ${route.method} ${path.slice(0, 300)} ${JSON.stringify(headers)} ${body?.toString('latin1').slice(0, 300) ?? ''}`;
      const before = await recorded(control);
      const reply = await Promise.race([
        answerOf(control, {
          method: route.method,
          url: path,
          headers: { host: '127.0.0.1', ...headers },
          ...(body ? { payload: body } : {}),
        }),
        new Promise<never>((_, reject) => setTimeout(() => reject(new Error(`no answer to ${shown}`)), 20_000).unref()),
      ]);
      const { statusCode: status, payload } = reply;
      if (status < 400) {
        seen.taken += 1;
        // What was right by chance may have set something going; it is over before the next request counts.
        await control.subscribers.drain();
        await control.worker.drain();
        continue;
      }
      seen.refused += 1;
      try {
        // What a store does not offer is said so in MLflow's shape; its clients go another way then.
        assert.ok(status < 500 || (status === 501 && route.dialect), `${status} ${payload} to ${shown}`);
        const isPage = String(reply.headers['content-type']).startsWith('text/html') && !route.path.startsWith('/api');
        // The basic-auth application of MLflow says these in plain text.
        const isPlain = route.dialect && (status === 401 || status === 403);
        const document = isPage || isPlain ? {} : (JSON.parse(payload) as Record<string, unknown>);
        if (isPage || isPlain) assert.notEqual(payload, '', shown);
        else if (route.dialect) {
          assert.equal(typeof document.error_code, 'string', shown);
          assert.ok(typeof document.message === 'string' && document.message !== '', shown);
        } else {
          assert.match(String(reply.headers['content-type']), /^application\/problem\+json/, shown);
          assert.equal(document.status, status, shown);
          assert.ok(codes.has(String(document.code)), `${String(document.code)} is not declared: ${shown}`);
          assert.ok(typeof document.detail === 'string' && document.detail !== '' && typeof document.instance === 'string', shown);
        }
        assert.doesNotMatch(payload, /\n\s+at |node_modules|src\/domains/, `no stack is shown: ${shown}`);
        // A version that breaks its contract is kept in quarantine, and a failed run is a run: those are recorded.
        if (!['contract-violated', 'release-not-taken'].includes(String(document.code)))
          assert.equal(await recorded(control), before, `a refused request changed something: ${shown}`);
      } catch (error) {
        found.set(`${route.method} ${route.path} ${status}`, `${(error as Error).message}${status === 500 ? ` ${defects.at(-1)}` : ''}`);
      }
    }
  }
  assert.deepEqual([...found.values()], []);
  t.diagnostic(`${routes.length} routes, ${seen.refused} requests refused, ${seen.taken} taken`);
  assert.ok(seen.refused > seen.taken, 'most of it was hostile');
  const audit = await control.app.inject({
    method: 'GET',
    url: `${API}/audit/verify`,
    headers: { host: '127.0.0.1', ...callers.find((c, i) => i > 1 && c.authorization) },
  });
  assert.equal((JSON.parse(audit.payload) as { ok: boolean }).ok, true);
}
