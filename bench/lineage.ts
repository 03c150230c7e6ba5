// How long a question of depth 20 takes in a graph of 100,000 nodes and 300,000 edges, on SQLite. Run by itself:
//   node --no-warnings bench/lineage.ts [nodes] [edges]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { compose } from '../src/app/compose.ts';
import { openPlatform } from '../src/app/platform.ts';
import { columnKinds } from '../src/domains/lineage/column-map.ts';
import { walk } from '../src/domains/lineage/graph.ts';
import { readSettings } from '../src/kernel/config/settings.ts';
import { makeCtx, systemActor } from '../src/kernel/ctx.ts';
import { silentLog } from '../src/kernel/log.ts';

const [nodes = 100_000, edges = 300_000] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), 'gyre-lineage-'));
const running = await openPlatform({
  settings: readSettings({ GYRE_DIR: folder, GYRE_DURABILITY: 'process', GYRE_LOG_LEVEL: 'silent', GYRE_PORT: '0' }),
  log: silentLog,
  compose: (blobs) => compose(blobs, () => 'http://127.0.0.1:1'),
});
try {
  const ctx = makeCtx(running.platform, { actor: systemActor, workspace: 'default' });
  // Layers, as things are made from things: most edges lead a little way back, some far.
  let seed = 1;
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  await ctx.tx(async ({ db }) => {
    for (let from = 0; from < nodes; from += 1000)
      await sql`insert into lineage_nodes values ${sql.join(
        Array.from(
          { length: Math.min(1000, nodes - from) },
          (_, i) => sql`(${'default'}, ${'thing'}, ${`n${from + i}`}, ${`thing ${from + i}`}, ${'p'}, ${1}, ${'{"rows":1}'})`,
        ),
      )}`.execute(db);
    for (let from = 0; from < edges; from += 1000)
      await sql`insert into lineage_edges values ${sql.join(
        Array.from({ length: Math.min(1000, edges - from) }, (_, i) => {
          const at = 1 + Math.floor(random() * (nodes - 1));
          const back = random() < 0.9 ? 1 + Math.floor(random() * Math.min(at, 50)) : 1 + Math.floor(random() * at);
          return sql`(${'default'}, ${'thing'}, ${`n${at}`}, ${`r${from + i}`}, ${'thing'}, ${`n${at - back}`})`;
        }),
      )}`.execute(db);
  });
  for (const direction of ['from', 'to'] as const) {
    const times: number[] = [];
    let seen = 0;
    for (let i = 0; i < 60; i++) {
      const root = { kind: 'thing', id: `n${Math.floor(random() * nodes)}` };
      const began = performance.now();
      try {
        seen += (await walk(ctx, root, direction, 20, { without: columnKinds })).nodes.length;
      } catch {
        // A node without edges.
      }
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    const at = (q: number): string => `${times[Math.floor(q * times.length)]!.toFixed(1)} ms`;
    console.log(`${direction}: median ${at(0.5)}, p95 ${at(0.95)}, slowest ${at(0.999)}; ${Math.round(seen / 60)} nodes a question`);
  }
} finally {
  await running.close();
  rmSync(folder, { recursive: true, force: true });
}
