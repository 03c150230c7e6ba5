// The flights example in a folder of its own, with a server of its own: what a user would have after a
// `git clone` and a `gyre up`. Everything goes through the command line, the public API or the data plane.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer, type DemoServer } from '../../scripts/demo/server.ts';
import { testPython as madePython } from '../../scripts/environment.ts';
import { runCli } from '../../src/app/cli.ts';
import { openClient, type Client } from '../../src/kernel/cli/client.ts';

const repository = join(import.meta.dirname, '../..');
const WINTER = ['2013-01', '2013-02', '2013-03'];

/** The Python of the tests' own environment; the test fails without it, it does not pass silently. */
export function testPython(): string {
  const python = process.env.TEST_PYTHON ?? madePython;
  assert.ok(existsSync(python), `There is no Python of the tests at ${python}. "npm test" makes it, or name one in TEST_PYTHON.`);
  return python;
}

export interface CommandResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface FlightsProject {
  /** Folder with gyre.yaml. */
  readonly folder: string;
  readonly out: string;
  client(): Client;
  url(): string;
  /** Runs a command and answers what it wrote, whatever its exit code. */
  attempt(...args: string[]): Promise<CommandResult>;
  /** Runs a command that must end with 0, and answers its text. */
  gyre(...args: string[]): Promise<string>;
  /** The same with --json, parsed. */
  json<T>(...args: string[]): Promise<T>;
  /** Replaces text in a file of the project; fails if it is not there exactly once. */
  edit(file: string, from: string, to: string): void;
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** `months` are the files of flights in the folder; `env` is added to the server's environment. */
export async function openFlights({
  months = WINTER,
  env = {},
}: { months?: readonly string[]; env?: NodeJS.ProcessEnv } = {}): Promise<FlightsProject> {
  testPython();
  const root = mkdtempSync(join(tmpdir(), 'gyre-journey-'));
  const [folder, out, state] = [join(root, 'flights'), join(root, 'out'), join(root, 'state')];
  mkdirSync(out, { recursive: true });
  const example = join(repository, 'examples/flights');
  cpSync(example, folder, { recursive: true, filter: (path) => !/(\/data\/flights|__pycache__|\.gyre)/.test(path.slice(example.length)) });
  mkdirSync(join(folder, 'data/flights'));
  for (const month of months) cpSync(join(example, `data/flights/${month}.parquet`), join(folder, `data/flights/${month}.parquet`));

  const start = (): Promise<DemoServer> => startServer(state, env);
  let server: DemoServer | undefined = await start();
  const project: FlightsProject = {
    folder,
    out,
    url: () => server!.url,
    client: () => openClient({ url: server!.url, token: '', workspace: 'default' }),
    attempt: async (...args) => {
      const [lines, messages]: [string[], string[]] = [[], []];
      const terminal = {
        out: (line: string) => void lines.push(line),
        say: (line: string) => void messages.push(line),
        draw: () => undefined,
        interactive: false,
        columns: 100,
      };
      const code = await runCli([...args, '--file', join(folder, 'gyre.yaml'), '--url', server!.url], terminal);
      return { code, out: lines.join('\n'), err: messages.join('\n') };
    },
    gyre: async (...args) => {
      const { code, out: text, err } = await project.attempt(...args);
      assert.equal(code, 0, `gyre ${args.join(' ')} ended with ${code}: ${err}`);
      return text;
    },
    json: async <T>(...args: string[]) => JSON.parse(await project.gyre(...args, '--json')) as T,
    edit: (file, from, to) => {
      const path = join(folder, file);
      const text = readFileSync(path, 'utf8');
      assert.equal(text.split(from).length, 2, `"${from}" is not in ${file} exactly once`);
      writeFileSync(
        path,
        text.replace(from, () => to),
      );
    },
    restart: async () => {
      await server!.stop();
      server = await start();
    },
    close: async () => {
      await server?.stop();
      server = undefined;
      rmSync(root, { recursive: true, force: true });
    },
  };
  return project;
}
