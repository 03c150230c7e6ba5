// A receiver of OTLP as the specification has it: POST /v1/traces with an ExportTraceServiceRequest. Field numbers:
// opentelemetry/proto/trace/v1/trace.proto.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { folder } from '../../domains/serving/fixtures/plane.ts';
import { start, written } from '../../../test/cli/gyre.ts';
import { openTracing } from './tracing.ts';

const flat = join(import.meta.dirname, '../../domains/serving/fixtures/flat.onnx');
const { root } = protobuf.parse(`syntax = "proto3";
message Request { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { repeated Span spans = 2; }
message Span { bytes trace_id = 1; bytes span_id = 2; bytes parent_span_id = 4; string name = 5; fixed64 start = 7; fixed64 end = 8; repeated KeyValue attributes = 9; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue { string text = 1; int64 number = 3; }`);
const Request = root.lookupType('Request');

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly start: string;
  readonly end: string;
}
interface Body {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { readonly key: string; readonly value: { readonly text?: string } }[] };
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

const hex = (base64: string): string => Buffer.from(base64, 'base64').toString('hex');

async function receiver(t: TestContext) {
  const spans: Span[] = [];
  const services = new Set<string | undefined>();
  let heard = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Request.toObject(Request.decode(Buffer.concat(chunks)), { bytes: String, longs: String }) as Body;
    for (const { resource, scopeSpans } of body.resourceSpans) {
      services.add(resource.attributes.find((a) => a.key === 'service.name')?.value.text);
      spans.push(...scopeSpans.flatMap((s) => s.spans));
    }
    response.writeHead(request.url === '/v1/traces' ? 200 : 404).end();
    heard.resolve();
    heard = Promise.withResolvers();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const until = async (found: () => boolean): Promise<void> => {
    while (!found()) await heard.promise;
  };
  return { spans, services, until, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

test('A request continues its caller’s trace, over HTTP and gRPC, with a span for each stage', { timeout: 60_000 }, async (t) => {
  const { spans, services, until, endpoint } = await receiver(t);
  const started = start(['serve', '--model', `flat=${flat}`, '--port', '0', '--grpc-port', '0', '--json'], {
    cwd: folder(t),
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: '50', OTEL_SERVICE_NAME: 'ours' },
  });
  t.after(() => started.child.kill('SIGKILL'));
  const { url, grpc: address } = JSON.parse((await written(started, /^\{"url".*$/m))[0]) as { url: string; grpc: string };
  const [traceId, parentId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];
  const traceparent = `00-${traceId}-${parentId}-01`;
  const reply = await fetch(`${url}/models/flat/invocations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent },
    body: '{"inputs": [1]}',
  });
  assert.equal(reply.status, 200);
  const ofModel = () => spans.filter((s) => s.name === 'model' && hex(s.traceId) === traceId);
  await until(() => spans.some((s) => s.name === 'POST') && ofModel().length === 1);
  const request = spans.find((s) => s.name === 'POST')!;
  assert.deepEqual([hex(request.traceId), hex(request.parentSpanId)], [traceId, parentId]);
  const [model] = ofModel();
  assert.equal(model!.parentSpanId, request.spanId);
  assert.ok(
    BigInt(request.start) <= BigInt(model!.start) && BigInt(model!.start) < BigInt(model!.end) && BigInt(model!.end) <= BigInt(request.end),
  );
  assert.deepEqual([...services], ['ours']);

  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  t.after(() => client.close());
  const metadata = new grpc.Metadata();
  metadata.set('traceparent', traceparent);
  const bytes = (b: Buffer): Buffer => b;
  await new Promise<void>((resolve, reject) =>
    client.makeUnaryRequest('/inference.GRPCInferenceService/ServerMetadata', bytes, bytes, Buffer.alloc(0), metadata, (error) =>
      error ? reject(error) : resolve(),
    ),
  );
  await until(() => spans.some((s) => s.name === 'inference.GRPCInferenceService/ServerMetadata' && hex(s.parentSpanId) === parentId));

  // A caller that does not record its trace wants none of ours; what is left is sent at the end.
  await fetch(`${url}/models/none/invocations`, { method: 'POST', headers: { traceparent: `00-${'a'.repeat(32)}-${parentId}-00` } });
  const failed = `00-${'b'.repeat(32)}-${parentId}-01`;
  await fetch(`${url}/models/none/invocations`, { method: 'POST', headers: { traceparent: failed } });
  started.child.kill('SIGTERM');
  assert.equal((await started.ended).code, 0);
  await until(() => spans.some((s) => hex(s.traceId) === 'b'.repeat(32)));
  assert.ok(!spans.some((s) => hex(s.traceId) === 'a'.repeat(32)));
});

test('Without a receiver, or where the variables say so, nothing is traced', async () => {
  assert.equal(await openTracing({}), undefined);
  assert.equal(await openTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'true' }), undefined);
  assert.equal(await openTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_TRACES_EXPORTER: 'none' }), undefined);
});
