// The loop with its records in PostgreSQL: killed at each arrow from a finding to a promoted successor, and beside a PostgreSQL
// that dies itself.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import pg from 'pg';
import { arrows } from '../crash/arrows.ts';
import { seeded } from '../crash/campaign.ts';
import { assertSame, openLoops, type LoopDatabases } from '../crash/loop-campaign.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9));

/** Where nothing but records decides what happens next; the others are bytes, which lie in folders here as there. */
const ARROWS = [
  'label -> window and finding',
  'window, finding -> alert',
  'alert -> delivery -> receiver',
  'alert -> trigger',
  'tick at rest -> judged trigger',
  'trigger -> run',
  'run -> decision',
  'decision -> release',
  'watermark -> release step',
  'last step -> champion',
  'promotion -> end of the trigger',
];

/** Databases of one server; a new loop begins with a copy of the records that the first champion was made in. */
function databasesOf({ url }: Postgres): LoopDatabases {
  let made = 0;
  const at = (name: string): string => Object.assign(new URL(url), { pathname: `/${name}` }).href;
  const create = async (more: string): Promise<string> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const name = `loop_${++made}`;
    try {
      await client.query(`create database ${name} ${more}`);
    } finally {
      await client.end();
    }
    return at(name);
  };
  return { create: () => create(''), copy: (from) => create(`template ${new URL(from).pathname.slice(1)}`) };
}

test('a loop in PostgreSQL comes to the same wherever its server or PostgreSQL dies', { timeout: 3_600_000 }, async (t) => {
  t.diagnostic(`TEST_SEED=${seed}`);
  const postgres = await startPostgres({ durable: true });
  t.after(() => postgres.stop());
  const loops = await openLoops(t, databasesOf(postgres));
  assert.deepEqual([loops.reference.runs.length, loops.reference.deliveries.length], [2, 3], JSON.stringify(loops.reference));
  for (const name of ARROWS)
    await t.test(name, async () => {
      const { places } = arrows.find(({ arrow }) => arrow === name)!;
      const { outcome, notReached } = await loops.dyingAt(places.slice(0, 2));
      assert.deepEqual(notReached, [], 'it is on the way');
      assertSame(outcome, loops.reference, name);
    });
  const random = seeded(seed);
  await t.test('anywhere, once each day: kill -9 of processes', async () =>
    assertSame(await loops.dyingAnywhere(random), loops.reference, `TEST_SEED=${seed}`),
  );
  for (const how of ['immediate', 'kill'] as const)
    await t.test(`PostgreSQL dies each day: ${how}`, async () => {
      const outcome = await loops.beside(async () => {
        await delay(random() * 800);
        await postgres.halt(how);
        await delay(random() * 1000);
        await postgres.start();
      });
      assertSame(outcome, loops.reference, `TEST_SEED=${seed}`);
    });
});
