// The data plane, `gyre serve`: answers predictions from the plan on disk and survives the other processes.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { isProblem, type Problem } from '../../../kernel/errors.ts';
import { isLoopback } from '../../../kernel/http/loopback.ts';
import { takeLock } from '../../../kernel/process/lock-file.ts';
import type { Log } from '../../../kernel/log.ts';
import type { FactReader, LiveEndpoint } from './endpoint.ts';
import { fail } from '../errors.ts';
import { gyreProtocol } from '../http/gyre-protocol.ts';
import { openAdmission, type AdmissionOptions } from '../http/admission.ts';
import { openFront } from '../http/front.ts';
import type { Trace } from '../http/traced.ts';
import { defect, identify } from '../http/identify.ts';
import { endpointKey, followPlan } from './live-plan.ts';
import { openInferenceLog, type InferenceLogOptions } from '../log/inference-log.ts';
import { parseEventTime } from '../model.ts';
import { internalToken, sameText, servingKey, servingPaths } from '../plan.ts';
import { listen, type Listening } from '../http/listening.ts';
import { openModelRepository, type ModelControl } from './model-repository.ts';
import type { Placement } from '../runtime/placement.ts';
import { openPredictor } from '../batching/predictor.ts';
import { prepareAll } from '../batching/prepare-rows.ts';
import { openShadows } from './shadow/shadows.ts';
import type { Answer, Exchange, Plane, ServingCaller, ServingDialect, ServingListener } from '../http/protocol.ts';
import { openServingMetrics } from './serving-metrics.ts';
import type { PlanToken } from '../schema.ts';
import { withoutLog, withoutPlan, withTokens } from './without-folder.ts';
import type { PythonSettings } from '../runtime/open-model.ts';
import { openWholeModels, type WholeModelSource, type WholeModelsOptions } from './whole-models.ts';

export interface DataPlaneOptions {
  /** Where the plan and the inference log lie; without it there are neither. */
  readonly dir?: string;
  /** Who may ask, beside the plan's tokens; then also the loopback address is answered only with one. */
  readonly tokens?: readonly PlanToken[];
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Lowercase letters, digits and "-"; the first part of every prediction id (default "r1"). */
  readonly replica?: string;
  readonly log: Log;
  readonly programVersion: string;
  /** Protocols beside our own. */
  readonly dialects: readonly ServingDialect[];
  /** Opens an online store for reading. */
  readonly openFacts: (path: string) => FactReader;
  readonly bodyLimitBytes?: number;
  readonly maxRows?: number;
  readonly pollMs?: number;
  readonly now?: () => number;
  /** Served as they are, beside the plan. */
  readonly models?: readonly WholeModelSource[];
  /** Processes and limits of models that run in Python. */
  readonly python?: PythonSettings;
  /** Other processes answer on the same ports (Linux only). */
  readonly reusePort?: boolean;
  /** Answers `GET /metrics`, given this process's own text; for several processes together. */
  readonly scrape?: ((own: string) => Promise<string>) | undefined;
  /** Is told of every request once it is answered. */
  readonly trace?: Trace | undefined;
  /** PEM texts; HTTP and the listeners then speak TLS. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** Origins whose web pages may ask, exactly as browsers write them. */
  readonly corsOrigins?: readonly string[];
  /** Whether callers may load and unload those models (default "none"). */
  readonly modelControl?: ModelControl;
  /** How much is taken up at once, and how much may wait for a model that runs in a process of its own. */
  readonly admission?: AdmissionOptions;
  readonly queue?: Omit<WholeModelsOptions, 'log' | 'metrics'>;
  /** Protocols with a port of their own. */
  readonly listeners?: readonly ServingListener[];
  readonly inferenceLog?: Partial<Omit<InferenceLogOptions, 'folder' | 'replica' | 'log'>>;
}

export interface DataPlane {
  readonly url: string;
  readonly replica: string;
  /** Addresses of the listeners, by their names. */
  readonly urls: Readonly<Record<string, string>>;
  /** The text for Prometheus, of this process. */
  readonly metrics: () => string;
  /** Models that are served as they are, in use now. */
  readonly models: () => readonly ServedModel[];
  /** Takes the plan on disk now instead of at the next notice. */
  refresh(): Promise<void>;
  /** Stops accepting, answers what is under way, seals the log. */
  close(): Promise<void>;
}

export interface ServedModel {
  readonly name: string;
  readonly version: string;
  /** Where it runs, and what warm-up measured. */
  readonly placement: Placement | undefined;
}

/** A request that is on its way when the process is told to stop gets this long to arrive. */
const GRACE_MS = 100;
/** A notice of a new plan may get lost; looking costs microseconds, and nobody waits longer for a release. */
const POLL_MS = 40;
/** So long what is sealed waits for the copies that shadows still have to answer. */
const SHADOW_GRACE_MS = 5000;

/** Starts a data plane; it is ready when the promise resolves, with or without a plan. Raises `replica-running`. */
export async function startDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const { dir, host, log, replica = 'r1', now = Date.now, maxRows = 4096 } = options;
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(replica))
    throw new Error(`the replica name "${replica}" must be lowercase letters, digits and "-"`);
  // Two processes of one name would write the same segments.
  const unlock =
    dir === undefined
      ? () => undefined
      : takeLock(join(servingPaths(dir).root, 'replicas', `${replica}.pid`), (pid) => fail('replica-running', { replica, pid }));
  const key = dir === undefined ? randomBytes(32) : servingKey(dir);
  const inferenceLog =
    dir === undefined
      ? withoutLog(replica)
      : openInferenceLog({ folder: join(servingPaths(dir).log, replica), replica, log, now, ...options.inferenceLog });
  const metrics = openServingMetrics(inferenceLog.state);
  const shadows = dir === undefined ? undefined : openShadows({ dir, log: inferenceLog, registry: metrics.registry, now });
  const predictor = openPredictor({ log: inferenceLog, metrics, now, shadows, queue: options.queue });
  const models = await openWholeModels(options.models ?? [], { log, metrics, python: options.python, ...options.queue }).catch(
    async (error: unknown) => {
      await inferenceLog.close();
      unlock();
      throw error;
    },
  );
  let accepting = true;

  let url = '';
  const follower =
    dir === undefined
      ? withoutPlan()
      : await followPlan({
          dir,
          replica,
          url: () => url,
          log,
          openFacts: options.openFacts,
          pollMs: options.pollMs ?? POLL_MS,
          now,
          python: options.python,
          retire: predictor.retire,
          onSwap: (plan) => {
            metrics.plan(plan.number);
            metrics.placedEndpoints(plan.endpoints.values(), predictor.state);
          },
        });

  const visible = (caller: ServingCaller, name: string): boolean => caller.endpoints === '*' || caller.endpoints.includes(name);
  const plane: Plane = {
    programVersion: options.programVersion,
    accepting: () => accepting,
    models: (caller) => models.all().filter(({ name }) => visible(caller, name)),
    model: (caller, name) => (visible(caller, name) ? models.find(name) : undefined),
    run: models.run,
    repository: openModelRepository(models, options.modelControl ?? 'none'),
    statistics: metrics.statistics,
    endpoints: (caller) =>
      [...follower.current().endpoints.values()].filter(({ plan }) => plan.workspace === caller.workspace && visible(caller, plan.name)),
    endpoint: (caller, name) => {
      const endpoint = visible(caller, name) ? follower.current().endpoints.get(endpointKey(caller.workspace, name)) : undefined;
      return endpoint ?? fail('endpoint-not-served', { endpoint: name.slice(0, 200) });
    },
    requireVersion: (endpoint, version) => void versionOf(endpoint, version),
    predict: (exchange, endpoint, rows, predictOptions = {}) => {
      if (rows.length > maxRows) return fail('too-many-rows', { rows: rows.length, limit: maxRows });
      if ((exchange.deadlineMs ?? Infinity) <= performance.now()) return fail('serving-deadline-exceeded', {});
      exchange.laps?.end('parse', performance.now());
      const eventTimeUs = eventTimeOf(exchange, endpoint, now);
      const pinned = predictOptions.version === undefined ? undefined : versionOf(endpoint, predictOptions.version);
      const prepared = prepareAll(endpoint, rows, predictOptions, eventTimeUs, metrics);
      exchange.laps?.end('features', performance.now());
      return predictor.predict({
        endpoint,
        rows: prepared,
        eventTimeUs,
        pinned,
        outputs: predictOptions.outputs ?? [],
        patience: exchange,
      });
    },
  };

  const internal = (exchange: Omit<Exchange, 'caller'>): Promise<Answer> | undefined => {
    const route = `${exchange.method} ${exchange.path}`;
    if (route !== 'POST /internal/seal' && route !== 'GET /internal/counts') return undefined;
    if (!sameText(exchange.headers.authorization ?? '', `Bearer ${internalToken(key)}`))
      return Promise.resolve().then(() =>
        fail('serving-token-refused', { why: 'This route is for the control plane of the same folder.' }),
      );
    if (route === 'GET /internal/counts') return Promise.resolve({ status: 200, body: JSON.stringify({ items: predictor.counts() }) });
    // Copies of what was answered until now belong to the same segments.
    return (shadows?.idle(SHADOW_GRACE_MS) ?? Promise.resolve())
      .then(() => inferenceLog.seal())
      .then((segments) => ({ status: 200, body: JSON.stringify({ replica, plan: follower.current().number, segments }) }));
  };

  const problem = (dialect: string, error: unknown): Problem => {
    const known = isProblem(error);
    const told = known ? error : defect();
    if (!known) log.error({ event: 'serving.defect', id: told.params.id, error });
    metrics.refused(dialect, told.code);
    return told;
  };
  const gate = {
    plan: withTokens(follower.current, options.tokens),
    now,
    loopback: isLoopback(host),
    origins: new Set(options.corsOrigins),
  };
  const admission = openAdmission(options.admission);
  metrics.turnLimit(admission.limit);
  const front = {
    ...gate,
    plane,
    problem,
    dialects: [gyreProtocol, ...options.dialects],
    metrics,
    bodyLimitBytes: options.bodyLimitBytes ?? 8 * 1024 * 1024,
    admission,
    internal,
    tls: options.tls,
    scrape: options.scrape,
    trace: options.trace,
  };
  let listening: Listening;
  try {
    // The plan first: a caller that gets through finds the endpoints of before a restart.
    listening = await listen({
      host,
      port: options.port,
      reusePort: options.reusePort ?? false,
      tls: options.tls !== undefined,
      front: () => openFront(front),
      listeners: options.listeners ?? [],
      context: (name) => ({
        ...{ plane, host, tls: options.tls, trace: options.trace, reusePort: options.reusePort ?? false },
        identify: (headers) => identify(headers, gate),
        problem: (error) => problem(name, error),
      }),
    });
    url = listening.ownUrl;
    follower.acknowledge();
  } catch (error) {
    await models.close();
    await follower.close();
    await inferenceLog.close();
    unlock();
    throw error;
  }

  const close = async (): Promise<void> => {
    if (!accepting) return;
    accepting = false;
    await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
    await listening.close();
    await predictor.idle();
    await shadows?.idle(SHADOW_GRACE_MS);
    shadows?.close();
    await models.close();
    await follower.close();
    await inferenceLog.close();
    unlock();
  };

  const served = (): ServedModel[] =>
    models.all().flatMap(({ name, versions }) => versions.map(({ version, session }) => ({ name, version, placement: session.placement })));
  return {
    url: listening.url,
    urls: listening.urls,
    replica,
    models: served,
    metrics: metrics.registry.write,
    refresh: () => follower.refresh(),
    close,
  };
}

/** Live: the wall clock. Replay: the header, or the plan's time. Raises `event-time-not-replay`, `event-time-invalid`. */
function eventTimeOf(exchange: Exchange, { plan }: LiveEndpoint, now: () => number): number {
  const header = exchange.headers['gyre-event-time'];
  if (plan.timeline.mode === 'live') return header === undefined ? now() * 1000 : fail('event-time-not-replay', { endpoint: plan.name });
  if (header === undefined) return plan.timeline.nowUs;
  const value = String(header);
  return parseEventTime(value) ?? fail('event-time-invalid', { value: value.slice(0, 100) });
}

function versionOf({ plan, variants }: LiveEndpoint, version: string): LiveEndpoint['variants'][number] {
  return (
    variants.find((v) => v.plan.modelVersion === version) ??
    fail('served-version-not-found', {
      endpoint: plan.name,
      version: version.slice(0, 100),
      served: variants.map((v) => v.plan.modelVersion),
    })
  );
}
