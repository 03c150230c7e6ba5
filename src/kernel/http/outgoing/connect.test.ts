import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { faultOf } from './attempts.ts';
import { connectTo } from './connect.ts';

test('of the addresses of a name the first that takes the connection is used, and a fault names each', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const signal = new AbortController().signal;
  // Nothing listens at the others, as where a name has IPv6 and the server or the network has not.
  const target = { hostname: 'localhost', port, addresses: ['::1', '127.0.0.2', '127.0.0.1'] };
  const socket = await connectTo(target, signal);
  assert.equal(socket.remoteAddress, '127.0.0.1');
  socket.destroy();
  const fault = await connectTo({ ...target, addresses: ['127.0.0.2', '127.0.0.3'] }, signal).then(
    () => undefined,
    (error: unknown) => faultOf(error, (words) => words),
  );
  assert.match(fault!.error, /127\.0\.0\.2:.*; .*127\.0\.0\.3:/);
});

test('a connection is not waited for beyond its limit', async () => {
  await assert.rejects(connectTo({ hostname: 'a', port: 9, addresses: ['192.0.2.1', '192.0.2.2'] }, AbortSignal.timeout(100)));
});
