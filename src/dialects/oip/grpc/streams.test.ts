import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { loadDefinition } from './server.ts';
import { INFERENCE, PLAIN_STREAM } from './proto.ts';
import { runGrpc } from '../fixtures/grpc-call.ts';

const int32 = (i: number, model = 'identity-int32') => ({
  model_name: model,
  id: String(i),
  inputs: [{ name: 'x', datatype: 'INT32', shape: [1, 1], contents: { int_contents: [i] } }],
});

async function streamed(client: grpc.Client, form: string, requests: readonly (object | Buffer)[]) {
  const { ModelStreamInfer } = (await loadDefinition(form))['inference.GRPCInferenceService'] as unknown as Record<
    string,
    grpc.MethodDefinition<object, Record<string, never>>
  >;
  const { path, requestSerialize, responseDeserialize } = ModelStreamInfer!;
  const answers: Record<string, never>[] = [];
  const code = await new Promise<number>((resolve) => {
    const call = client.makeBidiStreamRequest(path, (r: object) => (Buffer.isBuffer(r) ? r : requestSerialize(r)), responseDeserialize);
    call.on('data', (answer: Record<string, never>) => answers.push(answer));
    call.on('error', () => undefined);
    call.on('status', ({ code: ended }: grpc.StatusObject) => resolve(ended));
    for (const request of requests) call.write(request);
    call.end();
  });
  return { code, answers };
}

test('Answers of a stream come in the order of its requests, and a fault is one of them', async (t) => {
  const { client } = await runGrpc(t);
  const requests = Array.from({ length: 300 }, (_, i) => (i === 7 ? int32(i, 'none') : i === 8 ? Buffer.from('ffff', 'hex') : int32(i)));
  const { code, answers } = await streamed(client, INFERENCE, requests);
  assert.deepEqual([code, answers.length], [grpc.status.OK, 300]);
  for (const [i, answer] of (
    answers as unknown as { error_message: string; infer_response: { id: string; outputs: { contents: { int_contents: number[] } }[] } }[]
  ).entries()) {
    if (i === 7) assert.match(answer.error_message, /Request for unknown model: 'none' is not found/);
    else if (i === 8) assert.match(answer.error_message, /not one of this method/);
    else assert.deepEqual([answer.error_message, answer.infer_response.outputs[0]!.contents.int_contents], ['', [i]]);
    if (i !== 8) assert.equal(answer.infer_response.id, String(i));
  }
});

test('A plain stream has answers alone, and the first fault ends it', async (t) => {
  const { client, call } = await runGrpc(t, { stream: 'mlserver' });
  const whole = await streamed(client, PLAIN_STREAM, [int32(1), int32(2)]);
  assert.deepEqual([whole.code, whole.answers.map((a) => a.id)], [grpc.status.OK, ['1', '2']]);
  const broken = await streamed(client, PLAIN_STREAM, [int32(1), int32(2, 'none'), int32(3)]);
  assert.deepEqual([broken.code, broken.answers.map((a) => a.id)], [grpc.status.NOT_FOUND, ['1']]);
  assert.equal((await call('ModelInfer', int32(4))).code, grpc.status.OK);
});

test('A deadline that is over before a request begins gives it up, and one that is not does not', async (t) => {
  const { call } = await runGrpc(t);
  const limited = (timeout: object) => ({ ...int32(1), parameters: { timeout } });
  assert.equal((await call('ModelInfer', limited({ int64_param: 10_000_000 }))).code, grpc.status.OK);
  assert.equal((await call('ModelInfer', limited({ uint64_param: 1 }))).code, grpc.status.DEADLINE_EXCEEDED);
  assert.equal((await call('ModelInfer', limited({ int64_param: -1 }))).code, grpc.status.INVALID_ARGUMENT);
});
