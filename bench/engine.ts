// Overhead of the engine: a chain of steps that do nothing, and a run whose steps are all in the cache.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { compose } from '../src/app/compose.ts';
import { openPlatform, type RunningPlatform } from '../src/app/platform.ts';
import { applyProject, storeSnapshot } from '../src/domains/projects/service.ts';
import { pipelineJobs } from '../src/domains/pipelines/jobs.ts';
import { startRun } from '../src/domains/pipelines/service/start-run.ts';
import { getRun } from '../src/domains/pipelines/store/runs.ts';
import { openProcessEngine } from '../src/engines/process/process-engine.ts';
import { readSettings } from '../src/kernel/config/settings.ts';
import { makeCtx, systemActor } from '../src/kernel/ctx.ts';
import { silentLog } from '../src/kernel/log.ts';
import { row, type Row } from './table.ts';

const CHAIN = 50;
const CACHED = 1000;
const ROUNDS = 3;

const chain = (name: string, steps: number): string =>
  `  ${name}:\n    steps:\n${Array.from({ length: steps }, (_, i) => `      s${i}: { run: "true", code: []${i === 0 ? '' : `, needs: [s${i - 1}]`} }`).join('\n')}\n`;

/** A pipeline whose steps hand a file on: the cached ones need the outputs of those before. */
const linked = (name: string, steps: number): string =>
  `  ${name}:\n    steps:\n${Array.from({ length: steps }, (_, i) => `      s${i}: { run: "echo ${i} > out/d", code: [], out: { d: folder }${i === 0 ? '' : `, in: [s${i - 1}]`} }`).join('\n')}\n`;

export async function engine(durability: 'power' | 'process'): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
  const settings = readSettings({ GYRE_DIR: dir, GYRE_DURABILITY: durability, GYRE_LOG_LEVEL: 'silent', GYRE_PORT: '0' });
  const running = await openPlatform({ settings, log: silentLog, compose: (blobs) => compose(blobs, () => 'http://127.0.0.1:1') });
  try {
    const ctx = makeCtx(running.platform, { actor: systemActor, workspace: 'default' });
    const text = `project: bench\npipelines:\n${chain('chain', CHAIN)}${linked('linked', CACHED)}`;
    await applyProject(ctx, { text, snapshot: await storeSnapshot(ctx, {}) });
    const bare = bareMs();
    const chains: number[] = [];
    for (let i = 0; i < ROUNDS; i++) chains.push(await runMs(running, 'chain', true));
    const first = await runMs(running, 'linked', false);
    const cached: number[] = [];
    for (let i = 0; i < ROUNDS; i++) cached.push(await runMs(running, 'linked', false));
    const perStep = Math.min(...chains) / CHAIN - bare;
    return [
      row(`engine overhead per step, chain of ${CHAIN}`, `${perStep.toFixed(1)} ms`, '30 ms'),
      row('  the bare process of a step', `${bare.toFixed(1)} ms`),
      row(`${CACHED.toLocaleString('en-US')} cached steps in a chain`, `${(Math.min(...cached) / 1000).toFixed(2)} s`, '1 s'),
      row(`  the first time, a step that writes a file`, `${(first / CACHED).toFixed(1)} ms`),
    ];
  } finally {
    await running.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** What the process costs without an engine. */
function bareMs(): number {
  const began = performance.now();
  for (let i = 0; i < CHAIN; i++) execFileSync('/bin/sh', ['-c', 'true']);
  return (performance.now() - began) / CHAIN;
}

async function runMs({ platform, worker }: RunningPlatform, pipeline: string, noCache: boolean): Promise<number> {
  const ctx = makeCtx(platform, { actor: systemActor, workspace: 'default' });
  const jobs = pipelineJobs({ engine: openProcessEngine(platform.blobs), serverUrl: () => 'http://127.0.0.1:1' });
  const began = performance.now();
  const run = await startRun(
    ctx,
    { project: 'bench', pipeline, params: {}, trigger: { kind: 'api', reason: 'bench' }, noCache },
    jobs.advance,
  );
  await worker.drain();
  const wallMs = performance.now() - began;
  const ended = await getRun(ctx.db, 'default', run.id);
  if (ended?.state !== 'succeeded') throw new Error(`the run ${ended?.state}: ${JSON.stringify(ended?.error)}`);
  return wallMs;
}
