// `npm run demo`: from raw files to a served model on real flights, through the same commands and the same
// HTTP that a user would use. Nothing here reaches into the server.
//   --keep         leave the server running at the end and print its address
//   --out DIR      where the server's folder, the report and the model card go (default demo-output)
//   --until DAY    replay March only up to this day (default 2013-04-01)
import { existsSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openClient } from '../src/kernel/cli/client.ts';
import { processTerminal } from '../src/kernel/cli/terminal.ts';
import { journey } from './demo/journey.ts';
import { startServer } from './demo/server.ts';

const { values } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    out: { type: 'string', default: 'demo-output' },
    until: { type: 'string', default: '2013-04-01' },
  },
});
const repository = dirname(import.meta.dirname);
const out = resolve(values.out);
const project = join(repository, 'examples/flights/gyre.yaml');
const terminal = processTerminal();

const stateDir = join(out, '.gyre');
if (existsSync(stateDir)) rmSync(stateDir, { recursive: true });
const began = performance.now();
terminal.say(`Gyre starts in an empty folder: ${relative(process.cwd(), stateDir)}`);
const server = await startServer(stateDir).catch((error: Error) => {
  // The server itself has said why.
  terminal.say(error.message);
  process.exit(1);
});
let failed = false;
try {
  await journey({
    terminal,
    client: openClient({ url: server.url, token: '', workspace: 'default' }),
    url: server.url,
    project,
    out,
    until: values.until,
    began,
  });
} catch (error) {
  failed = true;
  terminal.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
}
if (values.keep && !failed) {
  terminal.out(`\nThe server runs on at ${server.url} until you press Ctrl-C. In another terminal:`);
  terminal.out(`  export GYRE_URL=${server.url}\n  npm run gyre -- status`);
  process.on('SIGINT', () => void server.stop());
  process.on('SIGTERM', () => void server.stop());
  await server.ended;
} else await server.stop();
process.exit(failed ? 1 : 0);
