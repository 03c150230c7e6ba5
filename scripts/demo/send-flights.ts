// Sends real flights to a server that serves examples/flights, day by day: each is predicted over HTTP two hours before its
// scheduled departure, its landing comes back as a label, and event time is advanced to the next day.
//   node scripts/demo/send-flights.ts --url http://127.0.0.1:7400 --from 2013-03-01 --to 2013-03-08
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openClient } from '../../src/kernel/cli/client.ts';
import { processTerminal } from '../../src/kernel/cli/terminal.ts';
import { readFlights } from './flights.ts';
import { replay } from './replay.ts';

const { values } = parseArgs({
  options: { url: { type: 'string', default: 'http://127.0.0.1:7400' }, from: { type: 'string' }, to: { type: 'string' } },
});
if (!values.from || !values.to) throw new Error('Say from which day on and up to which: --from 2013-03-01 --to 2013-03-08');
const DAY_MS = 86_400_000;
const [from, to] = [Date.parse(values.from), Date.parse(values.to)];
const terminal = processTerminal();
const client = openClient({ url: values.url, token: process.env.GYRE_TOKEN ?? '', workspace: 'default' });
const { dataPlane } = await client.get<{ dataPlane: { url: string | null } }>('/status');
const url = dataPlane.url;
if (url === null) throw new Error('The server has no data plane.');

const project = join(import.meta.dirname, '../../examples/flights');
const folder = join(project, 'data/flights');
const files = readdirSync(folder).map((name) => join(folder, name));
const ids = new Map<string, string>();
let waiting: Awaited<ReturnType<typeof readFlights>> = [];
for (let day = from; day < to; day += DAY_MS) {
  const flights = await readFlights(project, files, new Date(day), new Date(day + DAY_MS));
  const { refused } = await replay(url, 'late-arrival', flights, ids, () => undefined);
  // What has landed by midnight is told at midnight, the rest a day later.
  const all = [...waiting, ...flights];
  const isKnown = (f: (typeof all)[number]): boolean => f.landedUs !== null && f.landedUs < (day + DAY_MS) * 1000;
  waiting = all.filter((f) => !isKnown(f) && f.landedUs !== null);
  const labels = all.flatMap((f) => {
    const id = ids.get(f.inputs.flight_id);
    return isKnown(f) && id !== undefined && f.late !== null ? [{ prediction_id: id, label: f.late }] : [];
  });
  const next = new Date(day + DAY_MS).toISOString();
  if (labels.length > 0) await client.post('/projects/flights/monitors/late-arrival/feedback', labels);
  await client.post('/projects/flights/timeline/advance', { to: next });
  terminal.say(
    `${next.slice(0, 10)}: ${flights.length} flights, ${labels.length} landings${refused.length > 0 ? `, ${refused.length} refused` : ''}`,
  );
}
