// `gyre run -- COMMAND`: a command as a tracked run, without a project.
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readFileSync, realpathSync } from 'node:fs';
import { wallClock } from '../../kernel/clock.ts';
import { findCredential } from '../../kernel/cli/credentials.ts';
import { exitCodes } from '../../kernel/cli/exit-codes.ts';
import { duration } from '../../kernel/cli/terminal.ts';
import { isProblem } from '../../kernel/errors.ts';
import { assignments, type Use } from '../commands/command.ts';
import { openStreams, startCommand, type Ended } from './child.ts';
import { codeFolder, codeOf, gitRoot } from './code.ts';
import { writeEvidence, type Evidence, type Subject } from './evidence.ts';
import { COMMAND_PROCESS, endLeftBehind, HOST, processMark, SUPERVISOR } from './left-behind.ts';
import { hostOf } from './machine.ts';
import { outputsBefore } from './outputs.ts';
import { startOwnServer } from './own-server.ts';
import { watchGroup } from './process-group.ts';
import { pythonShim } from './python-shim.ts';
import { rerunCommand } from './rerun.ts';
import { redactedWords, redactor } from './secrets.ts';
import { openTrackingServer, type Connection, type RunRecord, type TrackingServer } from './tracking-server.ts';
import { computesExperiment, experimentIn, experimentOf, namedPaths, programOf, quoted, sourceOf } from './words.ts';

export interface TrackOptions {
  readonly experiment?: string;
  readonly name?: string;
  readonly tag?: readonly string[];
  readonly output?: readonly string[];
  readonly inputRoot?: readonly string[];
  readonly env?: readonly string[];
  readonly inputs: boolean;
  readonly start?: true;
  readonly quiet?: true;
}

/** Names a run of ours to a gyre that its command starts. */
const PARENT = '__GYRE_TRACKED_RUN';
/** The command waits at most so long for what is looked up before it. */
const BEFORE_MS = 150;
const END_TRIES = 6;
/** Faults of the program itself; everything else that ends by a signal was ended. */
const CRASHES: readonly (NodeJS.Signals | null)[] = ['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSYS', 'SIGTRAP'];
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGXCPU: 24,
  SIGSYS: 31,
};

type Environment = Readonly<Record<string, string | undefined>>;

/** --url and GYRE_URL, then MLflow's own variables, then a server that runs here. */
function connectionOf(use: Use<TrackOptions>, env: Environment): Connection {
  const settings = use.settings();
  const theirs = /^https?:\/\//.test(env.MLFLOW_TRACKING_URI ?? '') ? env.MLFLOW_TRACKING_URI!.replace(/\/$/, '') : undefined;
  const url = use.options.url === undefined && settings.url === '' && theirs !== undefined ? theirs : use.client().url;
  const token = settings.token || findCredential(url)?.token || env.MLFLOW_TRACKING_TOKEN || '';
  const { MLFLOW_TRACKING_USERNAME: user, MLFLOW_TRACKING_PASSWORD: password } = env;
  return { url, token, login: user && password ? { user, password } : null, workspace: settings.workspace };
}

/** Statuses by how the command ended; what a script itself said of a run that went well is kept. */
function statusOf({ code, signal, asked }: Ended, said: string | undefined): 'FINISHED' | 'FAILED' | 'KILLED' {
  if (asked !== null || (signal !== null && !CRASHES.includes(signal))) return 'KILLED';
  if (code !== 0) return 'FAILED';
  return said === 'FAILED' || said === 'KILLED' ? said : 'FINISHED';
}

/** Runs the command and answers its exit code. Raises what keeps it from being started. */
export async function track(use: Use<TrackOptions>, words: readonly string[]): Promise<number> {
  const { options, terminal } = use;
  const env: Environment = process.env;
  const cwd = process.cwd();
  const tags = assignments(options.tag ?? []);
  const program = programOf(words[0]!, cwd, env.PATH ?? '');
  let connection = connectionOf(use, env);
  let server = openTrackingServer(connection);
  let own: { stop: () => Promise<void> } | undefined;
  try {
    await server.greet();
  } catch (error) {
    if (!isProblem(error) || error.code !== 'server-unreachable') throw error;
    if (!options.start) {
      terminal.say('"gyre run --start -- ..." starts a server for the time of the command.');
      throw error;
    }
    const started = await startOwnServer(use.settings().dir, env);
    own = started;
    connection = { ...connection, url: started.url };
    server = openTrackingServer(connection);
  }
  const scratch = await mkdtemp(join(tmpdir(), 'gyre-run-'));
  try {
    return await perform(use, { words, program, cwd, env, tags, server, connection, scratch });
  } catch (error) {
    const code = (error as { code?: string; syscall?: string }).syscall?.startsWith('spawn')
      ? (error as { code?: string }).code
      : undefined;
    if (code === undefined) throw error;
    terminal.say(`${words[0]} could not be started: ${code === 'ENOEXEC' ? 'it is no program; start it by its interpreter' : code}`);
    return exitCodes.commandUnusable;
  } finally {
    await rm(scratch, { recursive: true, force: true });
    await own?.stop();
  }
}

interface Prepared {
  readonly words: readonly string[];
  readonly program: string;
  readonly cwd: string;
  readonly env: Environment;
  readonly tags: Readonly<Record<string, string>>;
  readonly server: TrackingServer;
  readonly connection: Connection;
  readonly scratch: string;
}

async function perform(use: Use<TrackOptions>, p: Prepared): Promise<number> {
  const { options, terminal } = use;
  const { words, cwd, env, server, connection, scratch } = p;
  const say = (line: string): void => void (options.quiet || terminal.say(line));
  const redact = redactor(env, connection.token ? [connection.token] : []);
  const shown = redactedWords(words, redact);
  const source = sourceOf(words, cwd);
  const script = source.script === null ? '' : readFileSync(source.script, 'utf8');
  const experiment = options.experiment ?? env.MLFLOW_EXPERIMENT_NAME ?? experimentIn(script) ?? experimentOf(cwd);

  // MLflow refuses to resume a run of another experiment; the script would fail that runs well by itself.
  const resumes = options.experiment !== undefined || !computesExperiment(script);
  const began = wallClock.now();
  const folder = codeFolder(cwd, source.script);
  const root = await gitRoot(folder, env);
  const coding = codeOf(folder, root, { scratch, env, redact, outputs: (options.output ?? []).map((o) => resolve(cwd, o)) }).catch(
    () => undefined,
  );
  const hosting = hostOf(cwd, env).catch(() => undefined);
  const roots = [...new Set([root ?? cwd, cwd, ...namedPaths(words, cwd), ...(options.inputRoot ?? []).map((r) => resolve(cwd, r))])];
  for (const path of [...roots]) roots.push(realpathOf(path));
  const [experimentId, before] = await Promise.all([server.experiment(experiment), outputsBefore(options.output ?? [], cwd)]);
  const user = userName();
  const run = await server.createRun(experimentId, options.name ?? '', user, began, {
    'mlflow.user': user,
    'mlflow.source.name': source.name,
    'mlflow.source.type': 'LOCAL',
    ...(env[PARENT] ? { 'mlflow.parentRunId': env[PARENT] } : {}),
    'gyre.command': quoted(shown),
    'gyre.folder': cwd,
    [HOST]: hostname(),
    [SUPERVISOR]: processMark(process.pid),
    ...p.tags,
  });
  await Promise.race([coding, delay(BEFORE_MS)]);
  say(`Run ${run.name} (${run.id}) in experiment "${experiment}" at ${connection.url}`);

  if (!resumes)
    say('The script computes the name of its experiment, so it starts runs of its own there. Name it with --experiment to have one run.');

  const streams = openStreams(scratch);
  const { MLFLOW_RUN_NAME: _name, MLFLOW_EXPERIMENT_NAME: _experiment, MLFLOW_RUN_ID: _run, ...inherited } = env;
  const shim = options.inputs ? pythonShim(scratch, env, { roots, inputs: true, stdoutInode: streams.stdoutInode }) : {};
  const command = await startCommand(p.program, words, {
    cwd,
    pipes: streams.pipes,
    env: {
      ...inherited,
      ...shim,
      MLFLOW_TRACKING_URI: connection.url,
      ...(resumes ? { MLFLOW_RUN_ID: run.id } : {}),
      MLFLOW_EXPERIMENT_ID: run.experimentId,
      ...(connection.token ? { MLFLOW_TRACKING_TOKEN: connection.token } : {}),
      ...(connection.workspace === 'default' ? {} : { MLFLOW_WORKSPACE: connection.workspace }),
      [PARENT]: run.id,
    },
  }).catch(async (error: unknown) => {
    await server.endRun(run.id, 'FAILED', wallClock.now());
    throw error;
  });
  const group = watchGroup(command.pid, roots, options.inputs);
  const marking = server.setTags(run.id, { [COMMAND_PROCESS]: processMark(command.pid) }).catch(() => undefined);
  const tidying = endLeftBehind(server, run.experimentId).catch(() => []);

  const end = await command.ended;
  const seen = group.stop();
  const stopped = new AbortController();
  // The command has ended; a further Ctrl-C gives up what is still to be written down.
  const giveUp = (): void => stopped.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, giveUp);
  await marking;
  const recorded = await endRun(server, run.id, end, stopped.signal);
  const subject: Subject = {
    ...{ run, server, experiment, words: shown, cwd, env, roots, scratch, redact },
    inputs: options.inputs,
    variables: options.env ?? [],
    outputs: options.output ?? [],
    outputsBefore: before,
  };
  const [code, host] = await Promise.all([coding, hosting]);
  const evidence = await writeEvidence(subject, end, command, seen, code, host, stopped.signal);
  for (const id of await tidying) say(`Run ${id} was left behind by a gyre that was killed; it is marked as KILLED.`);
  const lines = summary(subject, end, recorded, evidence, seen.peakRssBytes);
  for (const line of lines) say(line);
  if (recorded.status !== 'unknown') say(`  again: ${rerunCommand(subject)}`);
  if (/active experiment ID does not match environment run ID/.test(command.kept.stderr.text() + command.kept.stdout.text()))
    say('The script sets an experiment of its own. Name the same one: gyre run --experiment NAME -- ...');
  if (options.json)
    use.print(
      { runId: run.id, experimentId: run.experimentId, status: recorded.status, exitCode: exitCode(end), inputs: evidence.inputs },
      () => [],
    );
  return exitCode(end);
}

const exitCode = ({ code, signal }: Ended): number => code ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 1);

interface Recorded {
  readonly status: string;
  readonly record: RunRecord | undefined;
}

/** Ends the run, patiently: what the script logged must not look as if it went on. */
async function endRun(server: TrackingServer, id: string, end: Ended, signal: AbortSignal): Promise<Recorded> {
  const endMs = wallClock.now();
  for (let i = 0; i < END_TRIES && !signal.aborted; i++) {
    try {
      const record = await server.getRun(id);
      const status = statusOf(end, record.info.status);
      await server.endRun(id, status, endMs);
      return { status, record };
    } catch {
      await delay(250 * 2 ** i, undefined, { signal }).catch(() => undefined);
    }
  }
  return { status: 'unknown', record: undefined };
}

function summary(
  { run, server }: Subject,
  end: Ended,
  { status, record }: Recorded,
  evidence: Evidence,
  peakRssBytes: number | null,
): string[] {
  const how = end.signal === null ? `exit code ${end.code}` : `ended by ${end.signal}`;
  if (status === 'unknown') return [`The server at ${server.url} did not answer at the end: run ${run.id} stays as RUNNING (${how}).`];
  const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;
  const used = [
    ...(peakRssBytes === null ? [] : [`${Math.round(peakRssBytes / 1024 / 1024)} MB of memory at most`]),
    ...(end.cpuS === null ? [] : [`${end.cpuS.toFixed(1)} s of processor time`]),
  ];
  const data = record?.data;
  return [
    `Run ${run.name} (${run.id}) ${status} in ${duration(end.wallMs)}, ${how}`,
    `  ${counted(data?.metrics?.length ?? 0, 'metric')}, ${counted(data?.params?.length ?? 0, 'param')}, ${counted(evidence.inputs.length, 'file')} read, ${evidence.filesWritten} written, ${counted(evidence.outputs.length, 'output')} kept`,
    ...(used.length > 0 ? [`  ${used.join(', ')}`] : []),
    ...evidence.faults.map((fault) => `  not kept: ${fault}`),
  ];
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'unknown';
  }
}

function realpathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
