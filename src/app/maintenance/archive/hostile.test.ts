// Archives that nobody of ours wrote: whatever they say, nothing is written outside of the new folder, or at all.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { testFolder } from '../../../../test/support/database-places.ts';
import { openFolderStore } from '../../../kernel/blobs/folder-store.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { craft } from '../../../../test/attacks/crafted.ts';
import { placeOfEntry } from './format.ts';
import { checkArchive, restoreBackup } from './restore.ts';

async function refuse(t: TestContext, file: string, code: string): Promise<void> {
  const around = testFolder(t);
  const openBlobs = (dir: string) => openFolderStore({ dir, durability: 'process' });
  await assert.rejects(restoreBackup({ file, dir: join(around, 'a', 'new'), openBlobs }), (e) => isProblem(e, code));
  assert.deepEqual(existsSync(join(around, 'a')) ? readdirSync(join(around, 'a')) : [], []);
  assert.deepEqual(
    readdirSync(around).filter((n) => n !== 'a'),
    [],
  );
}

test('names that lead elsewhere, links and devices are refused', async (t) => {
  for (const name of [
    ...['../evil', 'paths/../../evil', 'paths//etc/passwd', '/etc/passwd', 'files/../evil', 'files/run/up.pid', 'files/gyre.db'],
    ...['files/governance/../../x.key', 'paths/a\\..\\b', 'blobs/x/y', 'database/events/1.txt', 'paths/./a'],
  ]) {
    assert.equal(placeOfEntry(name), undefined, name);
    await refuse(t, await craft(t, [{ name }]), 'archive-corrupt');
  }
  await refuse(t, await craft(t, [{ name: 'paths/a', type: 'symlink', linkname: '/etc' }], {}, [['paths/a', 0, '']]), 'archive-corrupt');
  await refuse(
    t,
    await craft(t, [{ name: 'paths/a', type: 'directory', body: Buffer.alloc(0) }], {}, [['paths/a', 0, '']]),
    'archive-corrupt',
  );
});

test('what is larger than the manifest says, not in it, or missing, is refused; so is what needs more room than there is', async (t) => {
  const big = { name: 'paths/big', body: Buffer.alloc(50_000_000) };
  await refuse(t, await craft(t, [big], {}, [['paths/big', 10, '0'.repeat(64)]]), 'archive-corrupt');
  await refuse(t, await craft(t, [big], { bytes: 10 }), 'archive-corrupt');
  await refuse(
    t,
    await craft(t, [{ name: 'paths/a' }, { name: 'paths/b' }], { entries: 1 }, [['paths/a', 1, '0'.repeat(64)]]),
    'archive-corrupt',
  );
  await refuse(t, await craft(t, [{ name: 'paths/a' }], { entries: 2 }), 'archive-corrupt');
  await refuse(t, await craft(t, [{ name: 'paths/a' }], { bytes: 1e15 }), 'no-room');
});

test('a manifest that grows without end is given up', async (t) => {
  const file = await craft(t, [{ name: 'paths/a' }], {}, [['x'.repeat(40_000_000)]]);
  await assert.rejects(checkArchive(file), (e) => isProblem(e, 'archive-corrupt'));
});

test('tables of another program are refused by name', async (t) => {
  await refuse(t, await craft(t, [], { schema: 999 }), 'schema-differs');
  await refuse(t, await craft(t, [], { tables: [{ table: 'events', columns: ['id'], rows: 0, digest: '' }] }), 'schema-differs');
  await refuse(t, await craft(t, [], { format: 99 }), 'archive-unusable');
  const rows = { name: 'database/event_cursors/000001.jsonl', body: Buffer.from('["a"]\n') };
  await refuse(t, await craft(t, [rows]), 'archive-corrupt');
});
