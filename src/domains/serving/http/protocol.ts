// The port of the data plane's dialects: each translates one protocol into calls of `Plane` and back.
import type { IncomingHttpHeaders } from 'node:http';
import { isUtf8 } from 'node:buffer';
import type { Problem } from '../../../kernel/errors.ts';
import type { LiveEndpoint, Row } from '../plane/endpoint.ts';
import { fail } from '../errors.ts';
import type { Trace } from './traced.ts';
import { INFINITE, NOT_A_NUMBER } from '../model.ts';
import type { PredictedRow } from '../batching/pending-rows.ts';
import type { Laps } from './laps.ts';
import type { ModelRepository } from '../plane/model-repository.ts';
import type { VariantStatistics } from '../plane/serving-metrics.ts';
import type { WholeModel, WholeModels } from '../plane/whole-models.ts';

export interface Exchange {
  readonly method: string;
  /** Without the query, not decoded. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly caller: ServingCaller;
  /** By `performance.now()`: what has not begun then is given up. */
  readonly deadlineMs?: number | undefined;
  /** Aborted when the caller is gone; made when somebody asks for it. */
  readonly gone?: () => AbortSignal;
  /** What its time is spent on. */
  readonly laps?: Laps;
}

/** Who asks, as far as the plan knows: a workspace, and the endpoints a token is for. */
export interface ServingCaller {
  readonly workspace: string;
  readonly endpoints: '*' | readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
  /** Never gzip or deflate, whatever the caller says that it takes. */
  readonly unpacked?: boolean;
}

export interface ServingDialect {
  readonly name: string;
  /** Says whether a path is this dialect's, so that also its errors take this dialect's shape. */
  readonly owns: (path: string) => boolean;
  readonly answer: (exchange: Exchange, plane: Plane) => Answer | Promise<Answer>;
  readonly renderProblem: (problem: Problem) => Answer;
}

export interface PredictOptions {
  /** A model version to ask instead of the assigned one. */
  readonly version?: string;
  /** Model outputs to hand back beside the score. */
  readonly outputs?: readonly string[];
  /** Where row i lies in the body, for the pointers of faults. */
  readonly pointer?: (row: number) => string;
}

export interface Plane {
  readonly programVersion: string;
  readonly accepting: () => boolean;
  /** Endpoints that the caller may see, by name. */
  readonly endpoints: (caller: ServingCaller) => readonly LiveEndpoint[];
  /** Models served as they are, that the caller may see. */
  readonly models: (caller: ServingCaller) => readonly WholeModel[];
  readonly model: (caller: ServingCaller, name: string) => WholeModel | undefined;
  /** Raises `model-run-failed`. */
  readonly run: WholeModels['run'];
  readonly repository: ModelRepository;
  /** What a version of an endpoint or model has answered so far, over all protocols. */
  readonly statistics: (name: string, variants: readonly string[]) => VariantStatistics;
  /** Raises `endpoint-not-served`. */
  readonly endpoint: (caller: ServingCaller, name: string) => LiveEndpoint;
  /** Raises `served-version-not-found`. */
  readonly requireVersion: (endpoint: LiveEndpoint, version: string) => void;
  /** Checks, looks up, predicts, logs. Raises the problems of errors.ts. */
  readonly predict: (exchange: Exchange, endpoint: LiveEndpoint, rows: readonly Row[], options?: PredictOptions) => Promise<PredictedRow[]>;
}

/** A protocol with a port of its own. */
export interface ServingListener {
  readonly name: string;
  readonly open: (context: ListenerContext) => Promise<{ readonly url: string; close(): Promise<void> }>;
}

export interface ListenerContext {
  readonly plane: Plane;
  readonly host: string;
  /** PEM texts; absent without TLS. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** Is told of every request once it is answered. */
  readonly trace?: Trace | undefined;
  /** Other processes listen on the same port. */
  readonly reusePort?: boolean;
  /** Raises `serving-token-refused` or `serving-origin-refused`. */
  readonly identify: (headers: IncomingHttpHeaders) => ServingCaller;
  /** What is told of an error; one that is no problem is written to the log. */
  readonly problem: (error: unknown) => Problem;
}

const BARE = /"(?:[^"\\]|\\.)*"|(-?)\bInfinity\b|\bNaN\b/g;

/**
 * Parses a body once. Bare NaN and Infinity, which Python's json writes, become markers that the columns
 * treat as what they are. Raises `prediction-body-invalid`; the sentence never shows the text itself.
 */
export function parseBody(body: Buffer): unknown {
  if (body.length === 0) return fail('prediction-body-invalid', { why: 'it is empty; send a JSON object.' });
  if (!isUtf8(body)) return fail('prediction-body-invalid', { why: 'it is not UTF-8.' });
  const text = body.toString('utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    if (/\b(?:NaN|Infinity)\b/.test(text)) {
      try {
        return JSON.parse(
          text.replaceAll(BARE, (token) => (token.startsWith('"') ? token : JSON.stringify(token === 'NaN' ? NOT_A_NUMBER : INFINITE))),
        );
      } catch {
        // The first error is the one to tell.
      }
    }
    const position = /position (\d+)/.exec((error as Error).message)?.[1];
    return fail('prediction-body-invalid', { why: `it is not JSON${position === undefined ? '' : ` (see character ${position})`}.` });
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Raises `prediction-body-invalid`. */
export const refuseBody = (why: string): never => fail('prediction-body-invalid', { why });

/** A path segment as text. Raises `prediction-body-invalid` on a broken escape. */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return refuseBody('the path has a broken %-escape.');
  }
}

/** Raises `serving-method-not-allowed`. */
export function requireMethod({ method, path }: Exchange, allowed: 'GET' | 'POST'): void {
  if (method !== allowed && !(allowed === 'GET' && method === 'HEAD')) fail('serving-method-not-allowed', { method, path, allowed });
}

/** Headers of every answered prediction. Ids of one request are consecutive, so the first and their number name all. */
export function predictionHeaders(rows: readonly PredictedRow[]): Record<string, string> {
  const first = rows[0];
  if (!first) return {};
  const headers: Record<string, string> = { 'gyre-prediction-id': first.id };
  if (rows.length > 1) headers['gyre-prediction-count'] = String(rows.length);
  if (rows.every((r) => r.variant === first.variant)) {
    headers['gyre-variant'] = encodeURIComponent(first.variant.plan.id);
    headers['gyre-model-version'] = encodeURIComponent(first.variant.plan.modelVersion);
  }
  return headers;
}

/** JSON has no NaN and no integers beyond 2^53: a model's NaN becomes null, a large integer its text. */
export const jsonValue = (value: number | bigint | string | boolean): number | string | boolean | null => {
  if (typeof value === 'bigint')
    return value <= Number.MAX_SAFE_INTEGER && value >= -Number.MAX_SAFE_INTEGER ? Number(value) : String(value);
  return typeof value === 'number' && !Number.isFinite(value) ? null : value;
};
