// The plan in use. A new one is made ready beside the old one (models loaded and warmed), then one
// assignment swaps them; calls under way keep the old one's sessions until they are answered. An endpoint
// that cannot be made ready keeps its older revision, and the acknowledgement says so.
import { existsSync, mkdirSync, statSync, watch } from 'node:fs';
import { resolve } from 'node:path';
import { isProblem } from '../../../kernel/errors.ts';
import type { Log } from '../../../kernel/log.ts';
import { subjectKey } from '../../subjects/data-plane.ts';
import { makeEndpoint, type FactReader, type LiveEndpoint } from './endpoint.ts';
import { readPlan, servingKey, servingPaths, writeAck } from '../plan.ts';
import type { ModelSession } from '../runtime/onnx-runtime.ts';
import { requireDigest } from '../runtime/model-file.ts';
import { openColumns, type PythonSettings } from '../runtime/open-model.ts';
import type { PlanAck, PlanEndpoint, PlanToken, ServingPlan } from '../schema.ts';

export interface LivePlan {
  readonly number: number;
  readonly access: ServingPlan['access'] | undefined;
  readonly tokens: ReadonlyMap<string, PlanToken>;
  /** By `workspace/name`. */
  readonly endpoints: ReadonlyMap<string, LiveEndpoint>;
}

export interface LivePlanOptions {
  readonly dir: string;
  readonly replica: string;
  readonly url: () => string;
  readonly log: Log;
  readonly openFacts: (path: string) => FactReader;
  readonly pollMs: number;
  readonly now: () => number;
  readonly python?: PythonSettings | undefined;
  /** Releases a session once no call uses it any more. */
  readonly retire: (session: ModelSession) => void;
  readonly onSwap: (plan: LivePlan) => void;
}

export interface PlanFollower {
  readonly current: () => LivePlan;
  /** Takes the plan on disk now, if it is newer. Never throws. */
  refresh(): Promise<void>;
  /** Writes the acknowledgement again, once the address is known. */
  acknowledge(): void;
  close(): Promise<void>;
}

export const endpointKey = (workspace: string, name: string): string => `${workspace}/${name}`;

export async function followPlan(options: LivePlanOptions): Promise<PlanFollower> {
  const { dir, replica, log, now } = options;
  const paths = servingPaths(dir);
  mkdirSync(paths.root, { recursive: true, mode: 0o700 });
  const key = servingKey(dir);
  let current: LivePlan = { number: 0, access: undefined, tokens: new Map(), endpoints: new Map() };
  let sessions = new Map<string, ModelSession>();
  let readers = new Map<string, FactReader>();
  let seen = '';
  let told = '';
  let busy: Promise<void> = Promise.resolve();
  let closed = false;
  let failures: PlanAck['failures'] = [];

  const take = async (): Promise<void> => {
    const stamp = stampOf(paths.plan);
    if (closed || stamp === seen) return;
    seen = stamp;
    const plan = readPlan(dir);
    if (!plan || plan.number === current.number) return;
    if (plan.number < current.number) {
      log.warn({ event: 'serving.plan.older', number: plan.number, inUse: current.number });
      return;
    }
    failures = [];
    const kept = new Map<string, ModelSession>();
    const opened = new Map<string, FactReader>();
    const readerOf = (storePath: string): FactReader => {
      const reader = opened.get(storePath) ?? readers.get(storePath) ?? lazyReader(resolve(dir, storePath), options.openFacts, now);
      opened.set(storePath, reader);
      return reader;
    };
    const endpoints = new Map<string, LiveEndpoint>();
    for (const wanted of plan.endpoints) {
      const id = endpointKey(wanted.workspace, wanted.name);
      try {
        await loadModels(options, wanted, sessions, kept);
        endpoints.set(id, makeEndpoint(wanted, kept, readerOf, key, subjectKey(dir)));
      } catch (error) {
        const why = isProblem(error) ? error.message : String(error);
        failures.push({
          workspace: wanted.workspace,
          endpoint: wanted.name,
          revision: wanted.revision,
          code: isProblem(error) ? error.code : 'internal',
          why,
        });
        log.error({ event: 'serving.endpoint.not-taken', endpoint: wanted.name, revision: wanted.revision, why });
        const older = current.endpoints.get(id);
        if (older) {
          endpoints.set(id, older);
          for (const variant of older.variants) kept.set(variant.plan.modelDigest, variant.session);
          for (const view of older.views) readerOf(view.plan.storePath);
        }
      }
    }
    const inUse = new Set([...endpoints.values()].flatMap((e) => e.variants.map((v) => v.session)));
    const [oldSessions, oldReaders] = [sessions, readers];
    current = { number: plan.number, access: plan.access, tokens: new Map(plan.access.tokens.map((t) => [t.digest, t])), endpoints };
    sessions = new Map([...kept].filter(([, session]) => inUse.has(session)));
    readers = opened;
    for (const session of new Set([...oldSessions.values(), ...kept.values()])) if (!inUse.has(session)) options.retire(session);
    for (const [path, reader] of oldReaders) if (opened.get(path) !== reader) reader.close();
    options.onSwap(current);
    log.info({ event: 'serving.plan.taken', number: plan.number, endpoints: endpoints.size, failures: failures.length });
    acknowledge();
  };

  // Not before the address is known: whoever reads it may want to call.
  const acknowledge = (): void => {
    const url = options.url();
    if (url === '') return;
    writeAck(dir, {
      replica,
      number: current.number,
      url,
      pid: process.pid,
      atMs: now(),
      endpoints: [...current.endpoints.values()].map(({ plan: { workspace, name, revision } }) => ({ workspace, name, revision })),
      failures,
    });
  };

  // One at a time, in order; a broken plan is told once and the next one is tried.
  const refresh = (): Promise<void> =>
    (busy = busy.then(take).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      if (why !== told) log.error({ event: 'serving.plan.refused', why });
      told = why;
    }));

  await refresh();
  // The watcher is quick, the poll is sure: some file systems report nothing.
  const watcher = watch(paths.root, (_event, name) => name === 'plan.json' && void refresh());
  watcher.on('error', (error) => log.warn({ event: 'serving.plan.watch-failed', error }));
  watcher.unref();
  const poll = setInterval(() => void refresh(), options.pollMs);
  poll.unref();

  return {
    current: () => current,
    refresh,
    acknowledge,
    close: async () => {
      closed = true;
      clearInterval(poll);
      watcher.close();
      await busy;
      for (const reader of readers.values()) reader.close();
      // Some have processes of their own.
      for (const session of new Set(sessions.values())) await session.release();
    },
  };
}

const stampOf = (path: string): string => {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stat ? `${stat.ino}:${stat.mtimeNs}:${stat.size}` : '';
};

async function loadModels(
  { dir, log, python = {} }: LivePlanOptions,
  endpoint: PlanEndpoint,
  have: ReadonlyMap<string, ModelSession>,
  into: Map<string, ModelSession>,
): Promise<void> {
  for (const { model, modelVersion, modelDigest, modelPath, process, interpreter } of endpoint.variants) {
    if (into.has(modelDigest)) continue;
    const existing = have.get(modelDigest);
    if (existing) {
      into.set(modelDigest, existing);
      continue;
    }
    const path = resolve(dir, modelPath);
    await requireDigest(path, modelDigest);
    const session = await openColumns(path, [endpoint.output.score], {
      ...{ log, name: model, python, interpreter: interpreter === undefined ? undefined : resolve(dir, interpreter) },
      own: process === 'own',
      ended: (why) => log.error({ event: 'serving.model.process-ended', model, modelVersion, why }),
    });
    into.set(modelDigest, session);
    log.info({ event: 'serving.model.placed', model, modelVersion, ...session.placement });
  }
}

/** A store that does not exist yet is looked for once a second; until then nothing is known of anybody. */
function lazyReader(path: string, open: (path: string) => FactReader, now: () => number): FactReader {
  let reader: FactReader | undefined;
  let nextMs = 0;
  return {
    read: (view, entity, asOfUs) => {
      if (!reader && now() >= nextMs) {
        nextMs = now() + 1000;
        if (existsSync(path)) reader = open(path);
      }
      return reader?.read(view, entity, asOfUs);
    },
    close: () => reader?.close(),
  };
}
