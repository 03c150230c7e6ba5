// What a page of another site, and somebody who measures time, can do against whoever is signed in or may sign in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compose } from '../../src/app/compose.ts';
import { createUser } from '../../src/domains/access/service.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { PASSWORD } from './world.ts';

const host = '127.0.0.1:7400';

async function withPeople(server: TestServer): Promise<void> {
  await createUser(server.ctx(), { name: 'ada', password: PASSWORD, role: 'admin' });
  await createUser(server.ctx(), { name: 'bob', password: PASSWORD, role: 'viewer' });
}

const logIn = (server: TestServer, name: string, password: string, headers: Record<string, string> = {}, remoteAddress = '10.0.0.1') =>
  server.app.inject({
    remoteAddress,
    method: 'POST',
    url: '/api/gyre/v1/session',
    headers: { host, 'content-type': 'application/json', ...headers },
    payload: JSON.stringify({ name, password }),
  });
const cookieOf = (reply: { headers: Record<string, unknown> }): string => String([reply.headers['set-cookie']].flat()[0]).split(';')[0]!;

test('no route that changes something lets a page of another site use the session of a browser', async (t) => {
  const server = await startServer(t);
  await withPeople(server);
  const cookie = cookieOf(await logIn(server, 'ada', PASSWORD));
  const changing = compose(server.platform.blobs, () => '').routes.filter((r) => r.method !== 'GET');
  assert.ok(changing.length > 150, String(changing.length));
  const wrong: string[] = [];
  let asked = 0;
  for (const route of changing) {
    const url = route.path.replace(/:(\w+)/g, 'x').replace('*', 'x');
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `http://${host}.evil.example` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]) {
      const reply = await server.app.inject({
        method: route.method,
        url,
        headers: { host, cookie, 'content-type': 'application/json', ...headers },
        payload: '{}',
      });
      asked++;
      // What needs no login does not look at the cookie either: it does nothing in the name of the session.
      if (reply.statusCode !== 403 && route.permission !== 'public')
        wrong.push(`${route.method} ${route.path} ${JSON.stringify(headers)}: ${reply.statusCode}`);
      if (reply.headers['set-cookie'] !== undefined) wrong.push(`${route.method} ${route.path} sets a cookie`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(asked > 750);
  // The session is as it was, and its user too.
  const who = await server.app.inject({ url: '/api/gyre/v1/whoami', headers: { host, cookie } });
  assert.equal(who.statusCode, 200);
});

test('a session that somebody else brought is no session after the login, and means nothing before', async (t) => {
  const server = await startServer(t);
  await withPeople(server);
  const planted = `gyre_session=${'A'.repeat(43)}`;
  const reply = await logIn(server, 'ada', PASSWORD, { cookie: planted });
  assert.notEqual(cookieOf(reply), planted);
  const status = async (cookie: string) => (await server.app.inject({ url: '/api/gyre/v1/whoami', headers: { host, cookie } })).statusCode;
  assert.deepEqual([await status(planted), await status(cookieOf(reply))], [401, 200]);
  // One of somebody else's own ends there, and does not become the other's.
  const eve = cookieOf(await logIn(server, 'bob', PASSWORD));
  const ada = cookieOf(await logIn(server, 'ada', PASSWORD, { cookie: eve }));
  assert.deepEqual([await status(eve), await status(ada)], [401, 200]);
  const { id } = JSON.parse((await server.app.inject({ url: '/api/gyre/v1/whoami', headers: { host, cookie: ada } })).payload) as {
    id: string;
  };
  assert.equal(id, 'ada');
});

test('a name that is not there costs as much as a wrong password, and is told in the same words', async (t) => {
  const server = await startServer(t);
  await withPeople(server);
  let address = 0;
  const cost = async (name: string): Promise<number> => {
    const costs: number[] = [];
    for (let i = 0; i < 4; i++) {
      const before = process.cpuUsage();
      const reply = await logIn(server, name, `wrong ${i}`, {}, `10.1.0.${address++}`);
      const { user, system } = process.cpuUsage(before);
      costs.push((user + system) / 1000);
      assert.equal(reply.statusCode, 401);
      assert.match(reply.payload, /The user name or the password is wrong/);
    }
    return Math.min(...costs);
  };
  await cost('ada');
  const [known, unknown] = [await cost('bob'), await cost('nobody')];
  assert.ok(known > 10, `a password costs ${known} ms`);
  assert.ok(unknown > known * 0.6 && unknown < known * 1.7, `${known} ms against ${unknown} ms`);
});
