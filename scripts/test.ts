// Runs the tests: npm test [-- ARGUMENT...]. An argument that is a file or folder picks tests by place, any
// other one by name (a regular expression). --all adds test/all.
//
// Isolation: the tests of one room in src/ share a process, because loading the program takes longer than
// most of its tests; every file in test/ has a process of its own, because it starts servers and kills them.
// One call of node:test runs them all, two at a time, so there is one count. PostgreSQL is started once.
import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startPostgres } from '../test/support/postgres.ts';
import { checkoutEnvironment, testPython } from './environment.ts';

const repository = join(import.meta.dirname, '..');
const TEST_TIMEOUT_MS = 300_000;

interface Wish {
  readonly all: boolean;
  readonly places: readonly string[];
  readonly names: readonly string[];
}

function readArguments(args: readonly string[]): Wish {
  const rest = args.filter((arg) => arg !== '--all');
  const places = rest.filter((arg) => existsSync(arg)).map((arg) => relative(repository, resolve(arg)));
  return { all: rest.length < args.length, places, names: rest.filter((arg) => !existsSync(arg)) };
}

/** The test files of this run, relative to the repository. */
function testFiles({ all, places }: Wish): string[] {
  const files = globSync(['src/**/*.test.ts', 'test/**/*.test.ts'], { cwd: repository }).sort();
  if (places.length > 0) return files.filter((file) => places.some((place) => file === place || file.startsWith(`${place}/`)));
  return all ? files : files.filter((file) => !file.startsWith('test/all/'));
}

/** What shares a process: a domain, a dialect, an engine, else a top folder of src/. */
const roomOf = (file: string): string => /^src\/((domains|dialects|engines)\/[^/]+|[^/]+)/.exec(file)![1]!.replace('/', '-');

/** One entry per process: files of test/ themselves, and a file per room that imports its tests. */
function entries(files: readonly string[], folder: string): string[] {
  const rooms = Map.groupBy(
    files.filter((file) => file.startsWith('src/')),
    roomOf,
  );
  const groups = [...rooms].map(([room, members]) => {
    const entry = join(folder, `${room}.test.ts`);
    const imports = members.map((file) => `await import(${JSON.stringify(pathToFileURL(join(repository, file)).href)});\n`);
    writeFileSync(entry, imports.join(''));
    return entry;
  });
  // The longest ones first, so that no core idles at the end.
  return [...files.filter((file) => file.startsWith('test/')).map((file) => join(repository, file)), ...groups];
}

/** Ends what tests left running: processes whose command or folder lies in the run's temporary folder. */
function endLeftovers(folder: string): void {
  if (process.platform !== 'linux') return;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      if (!command.includes(folder) && !readlinkSync(`/proc/${pid}/cwd`).startsWith(folder)) continue;
      process.kill(Number(pid), 'SIGKILL');
      process.stderr.write(`Ended what a test left running: ${command.slice(0, 160)}\n`);
    } catch {
      // It is gone already, or belongs to somebody else.
    }
  }
}

const wish = readArguments(process.argv.slice(2));
const files = testFiles(wish);
if (files.length === 0) {
  process.stderr.write(`No test file matches ${wish.places.join(' ')}.\n`);
  process.exit(2);
}

const postgres = await startPostgres();
const folder = mkdtempSync(join(tmpdir(), 'gyre-tests-'));
chmodSync(folder, 0o711); // PostgreSQL may run as another user below it.
const temporary = join(folder, 'tmp');
mkdirSync(temporary);
chmodSync(temporary, 0o1777);

// Settings of the caller's own server must not leak into tests.
const environment = Object.entries(checkoutEnvironment()).filter(([name]) => !name.startsWith('GYRE_') || name === 'GYRE_UV_CACHE_DIR');
const child: ChildProcess = spawn(
  process.execPath,
  [
    '--no-warnings',
    '--test',
    '--test-isolation=process',
    `--test-concurrency=${Math.max(2, availableParallelism())}`,
    `--test-timeout=${TEST_TIMEOUT_MS}`,
    '--test-reporter=spec',
    ...wish.names.map((name) => `--test-name-pattern=${name}`),
    ...entries(files, folder),
  ],
  {
    cwd: repository,
    stdio: 'inherit',
    env: {
      ...Object.fromEntries(environment),
      NODE_OPTIONS: '--no-warnings',
      TMPDIR: temporary,
      TEST_PYTHON: testPython,
      TEST_POSTGRES_URL: postgres.url,
    },
  },
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
const code = await new Promise<number>((done) => child.once('exit', (status) => done(status ?? 130)));
postgres.stop();
endLeftovers(folder);
rmSync(folder, { recursive: true, force: true });
process.exit(code);
