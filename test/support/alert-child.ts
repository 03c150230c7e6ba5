// A server of alerts in a process of its own that a test can let die between two steps of a delivery:
// alert-child.ts FOLDER PORT [fire]
import { openPlatform } from '../../src/app/platform.ts';
import { alertJobs, alertSubscribers } from '../../src/domains/alerts/jobs.ts';
import { readSettings } from '../../src/kernel/config/settings.ts';
import { makeCtx, systemActor } from '../../src/kernel/ctx.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { applyText, closeWindow, drainAll, project } from './alert-bench.ts';

const [folder = '', port = '', task = ''] = process.argv.slice(2);
const running = await openPlatform({
  settings: readSettings({ GYRE_DIR: folder, GYRE_ALERT_ALLOW_HOSTS: `127.0.0.1:${port}` }),
  log: silentLog,
  compose: () => ({ jobs: alertJobs, subscribers: alertSubscribers }),
});
const ctx = makeCtx(running.platform, { actor: systemActor, workspace: 'default' });
if (task === 'fire') {
  await applyText(ctx, project(`receivers: { default: { webhook: { url: "http://127.0.0.1:${port}/hook" } } }`));
  await closeWindow(ctx, { day: 1, findings: ['quality'] });
}
await drainAll(running);
await running.close();
