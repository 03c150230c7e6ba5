// Alerts over windows that a test writes as monitoring would: with their figures, findings and events.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { openPlatform, type RunningPlatform } from '../../src/app/platform.ts';
import { accessOf } from '../../src/domains/access/public.ts';
import { alertJobs, alertSubscribers } from '../../src/domains/alerts/jobs.ts';
import { alertRoutes } from '../../src/domains/alerts/routes.ts';
import type { DataFigures, FindingKind, PerformanceFigures, Pool } from '../../src/domains/monitoring/model.ts';
import { insertFindings, insertWindow } from '../../src/domains/monitoring/store/windows.ts';
import { applyProject, storeSnapshot } from '../../src/domains/projects/service.ts';
import { fixedClock, type Clock } from '../../src/kernel/clock.ts';
import { readSettings } from '../../src/kernel/config/settings.ts';
import { makeCtx, type Actor, type Ctx } from '../../src/kernel/ctx.ts';
import { eventsIn } from '../../src/kernel/events/events.ts';
import { toStoredEvent, type StoredEvent } from '../../src/kernel/events/subscribers.ts';
import { buildServer } from '../../src/kernel/http/server.ts';
import { newId, seededIds } from '../../src/kernel/ids.ts';
import { silentLog, type Log } from '../../src/kernel/log.ts';
import { moveTimeline } from '../../src/kernel/timeline/timeline.ts';
import { openTestDatabase, type DatabaseKind } from './databases.ts';

export const DAY = 86_400e6;
export const START = Date.UTC(2026, 0, 1) * 1000;
/** End of the n-th day. */
export const dayEnd = (day: number): number => START + day * DAY;

export const project = (more: string, timeline = '{ mode: replay, start: 2026-01-01T00:00:00Z }'): string => `project: demo
timeline: ${timeline}
models: { m: {} }
endpoints: { e: { model: m } }
monitors: { e: { window: 1d, performance: [roc_auc] } }
${more}`;

export interface TestWindow {
  readonly day: number;
  /** Its end, where that is not the end of a day of the replay. */
  readonly us?: number;
  readonly kind?: 'data' | 'performance';
  readonly n?: number;
  readonly generation?: number;
  readonly monitor?: string;
  /** Pooled ROC AUC; the baseline is 0.7. null = it could not be told. */
  readonly auc?: number | null;
  readonly standardError?: number;
  readonly findings?: readonly FindingKind[];
  readonly drift?: number;
}

const nothing = { ok: false, reason: 'there was nothing to compare', n: 0 } as const;

const dataFigures = (n: number, drift: number): DataFigures =>
  ({
    volume: { records: n, lead: n, versions: [{ version: '1', records: n }] },
    errors: n === 0 ? { ...nothing, method: 'share of failed requests' } : { ok: true, value: 0, n, method: 'share of failed requests' },
    latency: null,
    columns: [{ column: 'x', kind: 'numeric', n, quality: [], qualityMethod: 'Wilson', drift: nothing }],
    prediction: nothing,
    datasetDrift:
      n === 0
        ? nothing
        : { ok: true, value: drift, threshold: 0.5, columns: [], of: 4, n, method: 'share of drifted columns', drifted: drift > 0.5 },
    usualVolume: nothing,
    estimate: {},
  }) as DataFigures;

const performanceFigures = (n: number, auc: number | null, standardError: number): PerformanceFigures =>
  ({
    volume: { records: n, lead: n, versions: [] },
    coverage: { ok: true, value: 1, n, method: 'labelled' },
    metrics: {},
    standardErrors: {},
    pools: {
      roc_auc:
        auc === null
          ? { ok: false, reason: 'too few labels', n }
          : ({ ok: true, value: auc, standardError, windows: 7, n, baseline: 0.7, baselineStandardError: 0.001, spread: 0 } as Pool),
    },
    estimate: {},
    gaps: {},
    calibration: null,
    slices: [],
  }) as unknown as PerformanceFigures;

/** Writes a window and tells that it closed, as monitoring does. */
export const closeWindow = (ctx: Ctx, w: TestWindow): Promise<string> =>
  ctx.tx(async (tx) => {
    const { day, kind = 'data', n = 900, generation = 1, monitor = 'e', findings = [] } = w;
    const id = newId('win', tx.ids);
    const toUs = w.us ?? dayEnd(day);
    const fromUs = toUs - DAY;
    const figures = kind === 'data' ? dataFigures(n, w.drift ?? 0) : performanceFigures(n, w.auc ?? null, w.standardError ?? 0.002);
    const closedUs = toUs + (generation - 1) * DAY;
    await insertWindow(
      tx.db,
      tx.workspace,
      {
        id,
        project: 'demo',
        monitor,
        kind,
        fromUs,
        toUs,
        generation,
        latest: true,
        n,
        lead: '1',
        baseline: null,
        labelsDigest: '',
        labelsSeen: 0,
        findings: findings.length,
        figures,
        closedUs,
        recordedMs: tx.clock.now(),
      },
      null,
    );
    await insertFindings(
      tx.db,
      tx.workspace,
      findings.map((f) => ({
        id: newId('fnd', tx.ids),
        project: 'demo',
        monitor,
        window: id,
        fromUs,
        toUs,
        kind: f,
        subject: '',
        method: `method of ${f}`,
        value: 0.9,
        threshold: 0.5,
        n,
        detail: '',
        recordedMs: tx.clock.now(),
      })),
    );
    await tx.emit({
      type: 'window.closed',
      subject: { kind: 'window', id },
      project: 'demo',
      payload: { monitor, endpoint: monitor, kind, fromUs, toUs, generation, n, version: '1', findings: findings.length },
      occurredUs: closedUs,
    });
    return id;
  });

export const passWatermark = (ctx: Ctx, toUs: number): Promise<void> =>
  ctx.tx((tx) =>
    tx.emit({
      type: 'watermark.passed',
      subject: { kind: 'monitor', id: 'demo/e' },
      project: 'demo',
      payload: { monitor: 'e', toUs },
      occurredUs: toUs,
    }),
  );

export async function applyText(ctx: Ctx, text: string): Promise<void> {
  const snapshot = await storeSnapshot(ctx, {});
  await applyProject(ctx, { text, snapshot });
}

const admin: Actor = { kind: 'local', id: 'local', roles: ['admin'] };

/** Runs jobs and subscribers until nothing is left to do. */
export async function drainAll({ subscribers, worker, headSeq }: RunningPlatform): Promise<void> {
  for (let round = 0; round < 20; round++) {
    await subscribers.drain();
    await worker.drain();
    const before = await headSeq();
    await subscribers.drain();
    await worker.drain();
    if (before === (await headSeq())) return;
  }
  throw new Error('jobs and subscribers do not come to rest');
}

export interface AlertBench extends RunningPlatform {
  readonly app: FastifyInstance;
  readonly folder: string;
  readonly clock: Clock & { advance(ms: number): void };
  readonly ctx: () => Ctx;
  readonly drain: () => Promise<void>;
  readonly apply: (more: string, timeline?: string) => Promise<void>;
  /** Closes a window and lets everything that follows happen. */
  readonly closeWindow: (w: TestWindow) => Promise<string>;
  /** The same for the performance windows of days 1, 2, ... with these pooled figures. */
  readonly aucs: (...values: readonly (number | null)[]) => Promise<void>;
  /** Moves event time to the end of a day. */
  readonly to: (day: number) => Promise<void>;
  /** Moves the wall clock and lets what became due happen. */
  readonly later: (ms: number) => Promise<void>;
  readonly events: (prefix?: string) => Promise<StoredEvent[]>;
  readonly send: <T = Record<string, unknown>>(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: object,
  ) => Promise<{ status: number; body: T }>;
}

export async function openAlerts(
  t: TestContext,
  database: DatabaseKind,
  options: { more?: string; timeline?: string; environment?: Record<string, string>; log?: Log } = {},
): Promise<AlertBench> {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-test-'));
  const clock = fixedClock();
  const running = await openPlatform({
    settings: readSettings({ GYRE_DIR: folder, GYRE_DURABILITY: 'process', GYRE_LOG_LEVEL: 'silent', ...options.environment }),
    database: await openTestDatabase(t, database),
    clock,
    ids: seededIds(t.name),
    log: options.log ?? silentLog,
    compose: () => ({ jobs: alertJobs, subscribers: alertSubscribers }),
  });
  const app = buildServer({
    platform: running.platform,
    routes: alertRoutes,
    access: accessOf(running.platform),
    readiness: async () => ({}),
  });
  t.after(async () => {
    await app.close();
    await running.close({ keepDatabase: true });
    rmSync(folder, { recursive: true, force: true });
  });
  const ctx = makeCtx(running.platform, { actor: admin, workspace: 'default' });
  const drain = (): Promise<void> => drainAll(running);
  const close = async (w: TestWindow): Promise<string> => {
    const id = await closeWindow(ctx, w);
    await drain();
    return id;
  };
  const bench: AlertBench = {
    ...running,
    app,
    folder,
    clock,
    ctx: () => ctx,
    drain,
    closeWindow: close,
    apply: async (text, timeline) => {
      await applyText(ctx, project(text, timeline));
      await drain();
    },
    aucs: async (...values) => {
      for (const [i, auc] of values.entries()) await close({ day: i + 1, kind: 'performance', auc });
    },
    to: async (day) => {
      await moveTimeline(ctx, 'demo', dayEnd(day));
      await passWatermark(ctx, dayEnd(day));
      await drain();
    },
    later: async (ms) => {
      clock.advance(ms);
      await drain();
    },
    events: async (prefix = 'alert.') => {
      const rows = await eventsIn(ctx.db).selectFrom('events').selectAll().where('type', 'like', `${prefix}%`).orderBy('seq').execute();
      return rows.map(toStoredEvent);
    },
    send: async (method, path, body) => {
      const reply = await app.inject({
        method,
        url: `/api/gyre/v1/projects/demo${path}`,
        headers: { host: '127.0.0.1', ...(body ? { 'content-type': 'application/json' } : {}) },
        ...(body ? { payload: JSON.stringify(body) } : {}),
      });
      return { status: reply.statusCode, body: (reply.payload === '' ? {} : JSON.parse(reply.payload)) as never };
    },
  };
  await bench.apply(options.more ?? '', options.timeline);
  return bench;
}

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

/** A real HTTP server that keeps what it is sent and answers with `status` (which the test may change). */
export async function startReceiver(
  t: TestContext,
): Promise<{ port: number; url: string; status: number; headers: Record<string, string>; received: Received[] }> {
  const received: Received[] = [];
  const receiver = { port: 0, url: '', status: 200, headers: {} as Record<string, string>, received };
  const server = createServer((request, reply) => {
    const chunks: Buffer[] = [];
    request.on('data', (c: Buffer) => chunks.push(c));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      received.push({ path: request.url ?? '', headers: request.headers, text, json: JSON.parse(text) as Record<string, unknown> });
      reply.writeHead(receiver.status, receiver.headers).end('ok');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  receiver.port = (server.address() as { port: number }).port;
  receiver.url = `http://127.0.0.1:${receiver.port}`;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return receiver;
}
