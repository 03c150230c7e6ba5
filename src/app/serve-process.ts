// Entry of the data plane, started by the supervisor.
import { processSettings } from '../kernel/config/settings.ts';
import { runChild } from './child.ts';
import { startServe } from './serve.ts';

await runChild(() => startServe(processSettings()));
