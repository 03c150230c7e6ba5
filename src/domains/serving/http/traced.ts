// What a request was, for whoever traces requests: told once it is answered.
import type { IncomingHttpHeaders } from 'node:http';
import type { Laps } from './laps.ts';

export interface Traced {
  readonly protocol: 'http' | 'grpc';
  /** A method and path of HTTP, or a method of gRPC. */
  readonly method: string;
  readonly path: string;
  /** Or the metadata of gRPC. */
  readonly headers: IncomingHttpHeaders;
  /** Of HTTP; of gRPC what it would have been. */
  readonly status: number;
  /** By `performance.now()`. */
  readonly began: number;
  readonly ended: number;
  readonly laps: Laps | undefined;
}

export type Trace = (request: Traced) => void;
