// `npm run bench [-- NAME...]`: every figure that has a target, beside it. Slow and noisy by nature, so no test.
//   --durability process   a lesser one than the default, where MLflow is not the peer
//   --write                puts the figures beside MLflow's into docs/benchmarks.md
import { parseArgs } from 'node:util';
import { build } from './built-server.ts';
import { engine } from './engine.ts';
import { feedback } from './feedback.ts';
import { flights } from './flights.ts';
import { monitoring } from './monitoring.ts';
import { serving } from './serving/serving.ts';
import { start } from './start.ts';
import { machine, print, type Row } from './table.ts';
import { tracking } from './tracking/tracking.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { durability: { type: 'string', default: 'power' }, write: { type: 'boolean', default: false } },
});
const durability = values.durability === 'process' ? 'process' : 'power';
const benches: Readonly<Record<string, { readonly title: string; readonly run: () => Promise<Row[]> }>> = {
  start: { title: 'Start', run: start },
  engine: { title: 'Pipelines', run: () => engine(durability) },
  flights: { title: 'Flights: features, predictions, rest', run: flights },
  feedback: { title: 'Labels', run: () => feedback(durability) },
  monitoring: { title: 'Monitoring', run: monitoring },
  serving: { title: 'Serving', run: () => serving(values.write) },
  tracking: { title: 'Tracking', run: () => tracking(values.write) },
};
const unknown = positionals.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(`There is no bench ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}.`);
  process.exit(2);
}

for (const line of machine(durability)) console.log(line);
build();
for (const [name, bench] of Object.entries(benches))
  if (positionals.length === 0 || positionals.includes(name)) print(bench.title, await bench.run());
