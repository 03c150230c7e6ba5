// A purge in a process of its own that a test can let die between two of its steps: purge-child.ts FOLDER [fill]
import { Readable } from 'node:stream';
import { compose } from '../../src/app/compose.ts';
import { openPlatform } from '../../src/app/platform.ts';
import { purge } from '../../src/domains/tracking/jobs.ts';
import { createExperiment, createRun, logBatch, pathOfUri, setExperimentLifecycle } from '../../src/domains/tracking/public.ts';
import { requestPurge } from '../../src/domains/tracking/service/request-purge.ts';
import { readSettings } from '../../src/kernel/config/settings.ts';
import { makeCtx, systemActor } from '../../src/kernel/ctx.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { drainAll } from './alert-bench.ts';

const [folder = '', task = ''] = process.argv.slice(2);
const running = await openPlatform({
  settings: readSettings({ GYRE_DIR: folder }),
  log: silentLog,
  compose: (blobs) => compose(blobs, () => 'http://127.0.0.1:1'),
});
const ctx = makeCtx(running.platform, { actor: { ...systemActor, kind: 'local', id: 'ada' }, workspace: 'default' });
if (task === 'fill') {
  const experimentId = await createExperiment(ctx, { name: 'doomed' });
  for (let i = 0; i < 5; i++) {
    const run = await createRun(ctx, { experimentId, userId: 'ada', name: `r${i}`, startMs: 1, tags: [] });
    const metrics = Array.from({ length: 600 }, (_, step) => ({ key: 'm', value: step, timestampMs: step, step }));
    await logBatch(ctx, run.id, { metrics, params: [{ key: 'p', value: 'x' }], tags: [] });
    await running.platform.blobs.paths.write(`${pathOfUri('default', run.artifactUri)!}/a.txt`, Readable.from(['0123456789']));
  }
  await setExperimentLifecycle(ctx, experimentId, 'deleted');
  await requestPurge(ctx, { experimentIds: undefined, runIds: undefined, olderThanMs: 0, dryRun: false, confirm: 'purge' }, purge);
}
await drainAll(running);
await running.close();
