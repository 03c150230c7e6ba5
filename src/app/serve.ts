// The data plane with its dialects.
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { mlflowScoring } from '../dialects/mlflow-scoring/mlflow-scoring.ts';
import type { ModelSignature } from '../dialects/mlflow-scoring/signature.ts';
import { oipGrpc } from '../dialects/oip/grpc/server.ts';
import { oipDialect } from '../dialects/oip/oip.ts';
import { openOnlineReader } from '../domains/features/data-plane.ts';
import {
  modelInterpreter,
  startDataPlane,
  type DataPlane,
  type ModelControl,
  type WholeModelSource,
} from '../domains/serving/data-plane.ts';
import type { Settings } from '../kernel/config/settings.ts';
import { openLog } from '../kernel/log.ts';
import { fail } from './serving/errors.ts';
import type { ModelArgument } from './serving/model-arguments.ts';
import { readModelFolder } from './serving/model-folder.ts';
import type { ServingToken } from './serving/token-file.ts';
import { programVersion } from './version.ts';

/** What a data plane is told beside the settings. */
export interface ServeOptions {
  readonly replica?: string;
  readonly models?: readonly ModelArgument[];
  /** Whether callers may load and unload the models. */
  readonly modelControl?: ModelControl;
  readonly tokens?: readonly ServingToken[];
  /** Python for the models that are not of ONNX; without it each has the environment that its folder describes. */
  readonly python?: string;
  /** Other processes answer on the same ports. */
  readonly reusePort?: boolean;
  /** What `GET /metrics` answers, given this process's own text. */
  readonly scrape?: (own: string) => Promise<string>;
  /** No plan is followed and nothing is logged; nothing is written to the folder. */
  readonly withoutFolder?: boolean;
}

/** Raises `address-unusable`, and what the models and the folder have to say. */
export async function startServe(settings: Settings, options: ServeOptions = {}): Promise<DataPlane> {
  const { dir, host, servePort, logLevel, serveLimitBytes, serveCorsOrigins, grpcPort, grpcContents, grpcStream, grpcLimitBytes } =
    settings;
  const { replica, tokens, modelControl, models = [], withoutFolder = false } = options;
  const signatures = new Map<string, ModelSignature>();
  const sources: WholeModelSource[] = [];
  for (const { name, version, path, isFolder } of models) {
    if (!isFolder) {
      sources.push({ name, version, path });
      continue;
    }
    const { onnxFile, signature } = await readModelFolder(path);
    // The environment is made now: nothing is resolved when a request comes.
    if (onnxFile === undefined) sources.push({ name, version, path, interpreter: await interpreterFor(path, settings, options) });
    else sources.push({ name, version, path: onnxFile });
    signatures.set(`${name}@${version}`, signature);
  }
  const tracing = await (await import('./serving/tracing.ts')).openTracing();
  try {
    const plane = await startDataPlane({
      host,
      port: servePort,
      log: openLog(logLevel),
      programVersion,
      dialects: [oipDialect, mlflowScoring((name, version) => signatures.get(`${name}@${version}`))],
      listeners:
        grpcPort === ''
          ? []
          : [oipGrpc({ port: Number(grpcPort), contents: grpcContents, stream: grpcStream, limitBytes: grpcLimitBytes })],
      openFacts: openOnlineReader,
      bodyLimitBytes: serveLimitBytes,
      models: sources,
      python: { workers: settings.pythonWorkers, limits: pythonLimits(settings) },
      ...(modelControl === undefined ? {} : { modelControl }),
      corsOrigins: serveCorsOrigins === '' ? [] : serveCorsOrigins.split(','),
      reusePort: options.reusePort ?? false,
      scrape: options.scrape,
      trace: tracing?.trace,
      tls: readCertificate(settings),
      ...(withoutFolder ? {} : { dir }),
      ...(replica === undefined ? {} : { replica }),
      ...(tokens === undefined ? {} : { tokens }),
    });
    return { ...plane, close: () => plane.close().then(() => tracing?.close()) };
  } catch (error) {
    await tracing?.close();
    throw explained(error, host, [servePort, Number(grpcPort)]);
  }
}

const interpreterFor = (
  path: string,
  { dir, uvCacheDir, environmentsDir }: Settings,
  { python, withoutFolder = false }: ServeOptions,
): Promise<string> =>
  modelInterpreter(path, { uvCacheDir, environmentsDir, ...(python === undefined ? {} : { python }), ...(withoutFolder ? {} : { dir }) });

const pythonLimits = ({ pythonMemoryMb, pythonBatchMs, picklePolicy }: Settings) => ({
  memoryMb: pythonMemoryMb,
  batchMs: pythonBatchMs,
  pickle: picklePolicy === 'refuse' ? ('refuse' as const) : ('allow' as const),
});

/** Raises `certificate-invalid`. */
function readCertificate({ serveTlsCert: cert, serveTlsKey: key }: Settings): { cert: Buffer; key: Buffer } | undefined {
  if (cert === '' && key === '') return undefined;
  if (cert === '' || key === '') return fail('certificate-invalid', { why: 'one of the two is not given' });
  const pair = { cert: readFileSync(cert), key: readFileSync(key) };
  try {
    createSecureContext(pair);
  } catch {
    return fail('certificate-invalid', { why: `${cert} and ${key} are no certificate and its key in PEM` });
  }
  return pair;
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is taken; stop what listens there, or choose another port',
  EADDRNOTAVAIL: 'is no address of this machine',
  EACCES: 'may not be listened on by this user; ports below 1024 are the administrator’s',
  ENOTFOUND: 'is no address that is known here',
};

// Both servers say it in an error of Node's, or in a text that holds one.
function explained(error: unknown, host: string, ports: readonly number[]): unknown {
  const { message, code, port } = error instanceof Error ? (error as { message: string; code?: unknown; port?: number }) : { message: '' };
  const known = Object.keys(REASONS).find((reason) => code === reason || message.includes(`${reason}:`) || message.includes(` ${reason} `));
  if (known === undefined || (typeof code === 'string' && code !== known)) return error;
  const said = port ?? ports.find((p) => message.includes(`:${p}`)) ?? ports[0];
  const isHost = known === 'EADDRNOTAVAIL' || known === 'ENOTFOUND';
  try {
    return fail('address-unusable', {
      address: isHost ? host : `${host.includes(':') ? `[${host}]` : host}:${said}`,
      why: REASONS[known]!,
    });
  } catch (problem) {
    return problem;
  }
}
