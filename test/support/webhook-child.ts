// A server of webhooks in a process of its own that a test can let die between two steps of a delivery:
// webhook-child.ts FOLDER PORT [fire]
import { openPlatform } from '../../src/app/platform.ts';
import { createModel } from '../../src/domains/registry/public.ts';
import { webhookJobs, webhookSubscribers } from '../../src/domains/webhooks/jobs.ts';
import { createWebhook } from '../../src/domains/webhooks/public.ts';
import { readSettings } from '../../src/kernel/config/settings.ts';
import { makeCtx, systemActor } from '../../src/kernel/ctx.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { drainAll } from './alert-bench.ts';

const [folder = '', port = '', task = ''] = process.argv.slice(2);
const running = await openPlatform({
  settings: readSettings({ GYRE_DIR: folder, GYRE_WEBHOOK_ALLOW_HOSTS: `127.0.0.1:${port}` }),
  log: silentLog,
  compose: () => ({ jobs: webhookJobs, subscribers: webhookSubscribers }),
});
const ctx = makeCtx(running.platform, { actor: systemActor, workspace: 'default' });
if (task === 'fire') {
  const url = `http://127.0.0.1:${port}/hook`;
  await createWebhook(ctx, { name: 'w', url, events: ['registered_model.created'], secret: 'a long secret' });
  await createModel(ctx, { name: 'm' });
}
await drainAll(running);
await running.close();
