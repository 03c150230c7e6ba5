// grpc.health.v1.Health: what orchestrators and clients ask before they send.
import type { handleServerStreamingCall, handleUnaryCall, ServerWritableStream, ServiceError } from '@grpc/grpc-js';

interface Request {
  readonly service: string;
}
interface Reply {
  readonly status: 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
}

export interface Health {
  readonly handlers: {
    readonly Check: handleUnaryCall<Request, Reply>;
    readonly Watch: handleServerStreamingCall<Request, Reply>;
  };
  /** Tells all who watch that nothing is served any more. */
  readonly end: () => void;
}

/** `isServing` is undefined for a service that there is not. */
export function healthOf(grpc: typeof import('@grpc/grpc-js'), isServing: (service: string) => boolean | undefined): Health {
  const watching = new Set<ServerWritableStream<Request, Reply>>();
  const replyTo = (service: string): Reply | undefined => {
    const serving = isServing(service);
    return serving === undefined ? undefined : { status: serving ? 'SERVING' : 'NOT_SERVING' };
  };
  return {
    handlers: {
      Check: (call, done) => {
        const reply = replyTo(call.request.service);
        if (reply) done(null, reply);
        else done({ code: grpc.status.NOT_FOUND, details: 'There is no such service.' } as ServiceError, null);
      },
      Watch: (call) => {
        call.write(replyTo(call.request.service) ?? { status: 'SERVICE_UNKNOWN' });
        watching.add(call);
        call.on('cancelled', () => watching.delete(call));
        call.on('error', () => watching.delete(call));
      },
    },
    end: () => {
      for (const call of watching) {
        call.write({ status: 'NOT_SERVING' });
        call.end();
      }
      watching.clear();
    },
  };
}
