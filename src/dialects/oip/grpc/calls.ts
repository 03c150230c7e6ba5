// Calls of gRPC as exchanges of the data plane: who asks, until when, and what is told of an error.
import type {
  handleBidiStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerUnaryCall,
  ServiceError,
  status as Status,
} from '@grpc/grpc-js';
import { Laps, refuseBody, type Exchange, type ListenerContext } from '../../../domains/serving/data-plane.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { sentenceOf } from '../sentence.ts';
import { inferOnce, type Form, type Use } from './methods.ts';
import type { WireRequest } from './wire.ts';

type Grpc = typeof import('@grpc/grpc-js');

/** Stands for a message that could not be decoded; gRPC itself would call that an error of the server. */
export class Undecodable {}

/** Asked by probes, which have no token. */
const PUBLIC = new Set(['ServerLive', 'ServerReady']);
/** Requests of one stream that are under way at once; beyond it nothing is read. */
const MOST_AT_ONCE = 64;

export function unary(grpc: Grpc, context: ListenerContext, name: string, use: Use): handleUnaryCall<unknown, unknown> {
  return (call, done) => {
    const began = performance.now();
    const told: { laps?: Laps | undefined } = {};
    const trace = (status: number): void =>
      context.trace?.({
        ...{ protocol: 'grpc', method: 'POST', path: call.getPath(), status, began, ended: performance.now(), laps: told.laps },
        headers: call.metadata.getMap() as Exchange['headers'],
      });
    void answer(grpc, context, name, use, call, told).then(
      (value) => {
        done(null, value);
        told.laps?.metrics?.stages(told.laps);
        trace(200);
      },
      (error: unknown) => {
        done(errorOf(grpc, context, error), null);
        trace(isProblem(error) ? error.status : 500);
      },
    );
  };
}

async function answer(
  grpc: Grpc,
  context: ListenerContext,
  name: string,
  use: Use,
  call: ServerUnaryCall<unknown, unknown>,
  told: { laps?: Laps | undefined },
): Promise<unknown> {
  const exchange = { ...exchangeOf(context, name, call), laps: new Laps(performance.now()) };
  told.laps = exchange.laps;
  if (call.request instanceof Undecodable) return refuseBody('the message is not one of this method.');
  return use(call.request as never, exchange, (sent) => {
    let metadata: Metadata | undefined;
    for (const key in sent) (metadata ??= new grpc.Metadata()).set(key, sent[key]!);
    if (metadata) call.sendMetadata(metadata);
  });
}

/**
 * Requests of a stream run side by side, and are answered in their order. As Triton has it an answer is wrapped, and a fault is an
 * answer of its own; as MLServer has it answers are plain, and the first fault ends the stream.
 */
export function stream(grpc: Grpc, context: ListenerContext, form: Form, wrapped: boolean): handleBidiStreamingCall<unknown, unknown> {
  return (call) => {
    const fail = (error: unknown): void => void call.emit('error', errorOf(grpc, context, error));
    let exchange: Exchange;
    try {
      exchange = exchangeOf(context, 'ModelStreamInfer', call);
    } catch (error) {
      return fail(error);
    }
    let answered = Promise.resolve();
    let pending = 0;
    let over = false;
    const one = async (request: WireRequest | Undecodable): Promise<object> => {
      if (request instanceof Undecodable) return refuseBody('the message is not one of this method.');
      const response = await inferOnce(context.plane, form, request, exchange, () => undefined);
      if (request.parameters.get('triton_enable_empty_final_response') === true)
        response.parameters.triton_final_response = { bool_param: true };
      return response;
    };
    const told = (request: unknown, error: unknown): object => ({
      error_message: sentenceOf(context.problem(error)),
      infer_response: { id: request instanceof Undecodable ? '' : (request as WireRequest).id },
    });
    call.on('data', (request: WireRequest | Undecodable) => {
      if (++pending >= MOST_AT_ONCE) call.pause();
      const result = one(request);
      // Looked at in its turn, which may be later.
      result.catch(() => undefined);
      answered = answered.then(async () => {
        try {
          const response = await result;
          if (!over) await write(call, wrapped ? { infer_response: response } : response);
        } catch (error) {
          if (over) return;
          if (wrapped) await write(call, told(request, error));
          else {
            over = true;
            fail(error);
          }
        }
        if (--pending < MOST_AT_ONCE && call.isPaused()) call.resume();
      });
    });
    call.on('end', () => void answered.then(() => over || call.end()));
    call.on('cancelled', () => (over = true));
    call.on('error', () => (over = true));
  };
}

const write = (call: ServerDuplexStream<unknown, unknown>, message: object): Promise<void> =>
  call.write(message)
    ? Promise.resolve()
    : new Promise((resolve) => {
        const go = (): void => {
          call.off('drain', go);
          call.off('cancelled', go);
          resolve();
        };
        call.on('drain', go);
        call.on('cancelled', go);
      });

const nothing = Buffer.alloc(0);

/** Raises `serving-token-refused` and `serving-origin-refused`. */
function exchangeOf(
  context: ListenerContext,
  name: string,
  call: ServerUnaryCall<unknown, unknown> | ServerDuplexStream<unknown, unknown>,
): Exchange {
  const headers = headersOf(call.metadata);
  const caller = PUBLIC.has(name) ? { workspace: 'default', endpoints: [] } : context.identify(headers);
  const deadline = Number(call.getDeadline());
  const exchange = { method: 'POST', path: `/inference.GRPCInferenceService/${name}`, headers, body: nothing, caller };
  return Number.isFinite(deadline) ? { ...exchange, deadlineMs: deadline - performance.timeOrigin } : exchange;
}

// No web page can speak gRPC, so what a browser would have sent as Host does not matter here.
function headersOf(metadata: Metadata): Exchange['headers'] {
  const headers = metadata.getMap() as Record<string, string>;
  headers.host = 'localhost';
  return headers;
}

const errorOf = (grpc: Grpc, context: ListenerContext, error: unknown): ServiceError => {
  const problem = context.problem(error);
  return { code: codeOf(grpc.status, problem.status), details: sentenceOf(problem) } as ServiceError;
};

const codes: Readonly<Record<number, keyof typeof Status>> = {
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'FAILED_PRECONDITION',
  429: 'RESOURCE_EXHAUSTED',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

const codeOf = (status: typeof Status, http: number): Status => status[codes[http] ?? (http < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL')];
