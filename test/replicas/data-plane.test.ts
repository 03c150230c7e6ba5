// One of several control planes has a data plane, and what lies in its folder is its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPostgres } from '../support/postgres.ts';
import { begin, leaderOf, sharedFolders, startReplica, statusOf, until } from './control-planes.ts';

test(
  'the replica with the data plane does what needs its folder, also while it is restarted; there is one of them',
  { timeout: 240_000 },
  async (t) => {
    const postgres = await startPostgres();
    t.after(() => postgres.stop());
    const folderOf = sharedFolders(t);
    const plain = await startReplica(t, { dir: folderOf('plain'), databaseUrl: postgres.url });
    await until(async () => (await leaderOf(plain)) === plain.url, 10_000, 'it leads while it is alone');
    const serving = await startReplica(t, { dir: folderOf('serving'), databaseUrl: postgres.url, args: [] });
    assert.equal(await leaderOf(serving), plain.url);
    const misdirected = async () => plain.ask('/api/gyre/v1/projects/none/timeline/advance', { to: '2026-01-01T00:00:00Z' });
    await until(async () => (await misdirected()).status === 421, 10_000, 'it sends elsewhere what it cannot do');
    const answer = await misdirected();
    assert.equal((answer.body as unknown as { code: string }).code, 'data-plane-elsewhere');
    assert.match(JSON.stringify(answer.body), new RegExp(serving.url));
    assert.equal((await serving.ask('/api/gyre/v1/projects/none/timeline/advance', { to: '2026-01-01T00:00:00Z' })).status, 404);
    const third = await begin({ dir: folderOf('third'), databaseUrl: postgres.url, args: [] }).ended;
    assert.match(third.err, /a data plane that answers predictions.*--no-data-plane/s);
    // While it is away nobody does in a folder of his own what belongs into that one.
    await serving.stop();
    await until(async () => (await statusOf(plain)).replicas.length === 1, 10_000, 'it is gone');
    assert.equal((await misdirected()).status, 421);
  },
);
