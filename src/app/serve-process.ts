// Entry of the data plane, started by the supervisor.
import { processSettings } from '../kernel/config/settings.ts';
import { runChild } from './child.ts';
import { startServe } from './serve.ts';

await runChild(async () => {
  const settings = processSettings();
  if (settings.serveProcesses === 1) return startServe(settings);
  return (await import('./serving/processes.ts')).startProcesses(settings, {}, settings.serveProcesses);
});
