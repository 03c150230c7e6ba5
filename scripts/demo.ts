// `npm run demo`: from raw files to a served model that is watched, retrained and replaced, on real flights, through the same commands and the same
// HTTP that a user would use. Nothing here reaches into the server.
//   --keep         leave the server running at the end and print its address
//   --out DIR      where the server's folder, the report and the model card go (default demo-output)
//   --year         the whole show, March to October (otherwise up to the middle of April)
//   --until DAY    replay up to this day
//   --no-cache     run every step of every training, whatever the cache holds
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openClient } from '../src/kernel/cli/client.ts';
import { processTerminal } from '../src/kernel/cli/terminal.ts';
import { journey } from './demo/journey.ts';
import { startReceiver } from './demo/receiver.ts';
import { startServer } from './demo/server.ts';

const { values } = parseArgs({
  options: {
    keep: { type: 'boolean', default: false },
    out: { type: 'string', default: 'demo-output' },
    until: { type: 'string' },
    year: { type: 'boolean', default: false },
    'no-cache': { type: 'boolean', default: false },
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
// Who is told of alerts: the address and the secret are the server's to know, gyre.yaml only refers to them.
const secret = randomBytes(16).toString('hex');
const receiver = await startReceiver(secret);
const server = await startServer(stateDir, {
  FLIGHTS_ALERTS_URL: receiver.url,
  FLIGHTS_ALERTS_SECRET: secret,
  GYRE_ALERT_ALLOW_HOSTS: new URL(receiver.url).host,
  GYRE_FAULT_INJECTION: '1',
}).catch((error: Error) => {
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
    until: values.until ?? (values.year ? '2013-11-01' : '2013-04-17'),
    receiver,
    cache: !values['no-cache'],
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
await receiver.close();
process.exit(failed ? 1 : 0);
