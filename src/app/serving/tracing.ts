// Spans of OpenTelemetry for the requests of a data plane, sent over OTLP where the standard variables name a receiver. The packages
// are loaded only then. A request is recorded once it is answered, from the times that the data plane took anyway, so that the way to
// the model does not change. Reference: OpenTelemetry specification, "Environment Variables", "OTLP Exporter"; W3C Trace Context.
import type { Sampler } from '@opentelemetry/sdk-trace';
import type { Trace, Traced } from '../../domains/serving/data-plane.ts';
import { programVersion } from '../version.ts';

export interface Tracing {
  readonly trace: Trace;
  /** Sends what is left. */
  close(): Promise<void>;
}

type Variables = Readonly<Record<string, string | undefined>>;

const STAGES = ['parse', 'features', 'queue', 'model', 'log', 'serialise'] as const;

/** Undefined where no receiver is named. */
export async function openTracing(env: Variables = process.env): Promise<Tracing | undefined> {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!endpoint || env.OTEL_SDK_DISABLED === 'true' || env.OTEL_TRACES_EXPORTER === 'none') return undefined;
  const [api, core, { BatchSpanProcessor, TracerProvider, ...sdk }, { OTLPTraceExporter }, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/core'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-proto'),
    import('@opentelemetry/resources'),
  ]);
  const provider = new TracerProvider({
    sampler: samplerOf(sdk, env),
    resource: resources
      .defaultResource()
      .merge(resources.resourceFromAttributes({ 'service.name': 'gyre-serve', 'service.version': programVersion }))
      .merge(resources.detectResources({ detectors: [resources.envDetector] })),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter(),
        scheduledDelayMillis: Number(env.OTEL_BSP_SCHEDULE_DELAY) || 5000,
      }),
    ],
  });
  const tracer = provider.getTracer('gyre', programVersion);
  const propagator = new core.W3CTraceContextPropagator();

  const trace = ({ protocol, method, path, headers, status, began, ended, laps }: Traced): void => {
    const at = (ms: number): number => performance.timeOrigin + ms;
    const parent = propagator.extract(api.ROOT_CONTEXT, headers, api.defaultTextMapGetter);
    const isHttp = protocol === 'http';
    const span = tracer.startSpan(
      isHttp ? method : path.slice(1),
      {
        kind: api.SpanKind.SERVER,
        startTime: at(began),
        attributes: isHttp
          ? { 'http.request.method': method, 'url.path': path.slice(0, 500), 'http.response.status_code': status }
          : { 'rpc.system': 'grpc', 'rpc.method': path.slice(1) },
      },
      parent,
    );
    if (status >= 500) span.setStatus({ code: api.SpanStatusCode.ERROR });
    if (laps && span.isRecording()) {
      const within = api.trace.setSpan(parent, span);
      let from = began;
      for (const stage of STAGES) {
        const took = laps[stage];
        if (took > 0) tracer.startSpan(stage, { startTime: at(from) }, within).end(at(from + took));
        from += took;
      }
    }
    span.end(at(ended));
  };
  return { trace, close: () => provider.shutdown() };
}

/** As the variable names it; always unless the caller's own trace is not recorded. */
function samplerOf(sdk: Omit<typeof import('@opentelemetry/sdk-trace'), 'BatchSpanProcessor' | 'TracerProvider'>, env: Variables): Sampler {
  const name = env.OTEL_TRACES_SAMPLER ?? 'parentbased_always_on';
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG ?? 1);
  const root = /ratio/.test(name)
    ? new sdk.TraceIdRatioBasedSampler(ratio)
    : /always_off/.test(name)
      ? new sdk.AlwaysOffSampler()
      : new sdk.AlwaysOnSampler();
  return name.startsWith('parentbased') ? new sdk.ParentBasedSampler({ root }) : root;
}
