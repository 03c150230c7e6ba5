// Stores a small and a large file in the bucket of the settings, and is killed on the way (GYRE_FAILPOINTS).
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { openBlobStore } from '../../src/kernel/blobs/open-store.ts';
import { processSettings } from '../../src/kernel/config/settings.ts';
import { silentLog } from '../../src/kernel/log.ts';

const store = await openBlobStore(processSettings(), silentLog);
const batch = await store.begin();
await batch.add(Buffer.from('small'));
await batch.add(randomBytes(20 * 1024 * 1024));
await store.paths.write('run/before', Readable.from([Buffer.from('whole')]));
console.log(JSON.stringify(await batch.commit()));
await store.close();
