// What is written down of a command when it has ended.
import { readFile } from 'node:fs/promises';
import type { Code } from './code.ts';
import type { Ended, RunningCommand } from './child.ts';
import { keptVariables, lockFiles, packagesOf, type Host } from './machine.ts';
import { datasetsOf, inputFiles, readFirst, type InputFile } from './opened-files.ts';
import { outputsWritten, type OutputFile } from './outputs.ts';
import type { GroupSeen } from './process-group.ts';
import { readRecord, recordIn, type PythonProcess } from './python-shim.ts';
import { rerunScript } from './rerun.ts';
import type { Redact } from './secrets.ts';
import type { TrackedRun, TrackingServer } from './tracking-server.ts';

export interface Subject {
  readonly run: TrackedRun;
  readonly server: TrackingServer;
  readonly experiment: string;
  readonly words: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly roots: readonly string[];
  /** Where the record of opened files is. */
  readonly scratch: string;
  readonly inputs: boolean;
  readonly variables: readonly string[];
  readonly outputs: readonly string[];
  readonly outputsBefore: ReadonlyMap<string, string>;
  readonly redact: Redact;
}

export interface Evidence {
  readonly inputs: readonly InputFile[];
  readonly filesWritten: number;
  readonly outputs: readonly OutputFile[];
  readonly python: PythonProcess | undefined;
  /** What could not be written down, and why. */
  readonly faults: readonly string[];
}

/** Writes everything down; nothing that fails keeps the rest from being written. */
export async function writeEvidence(
  subject: Subject,
  end: Ended,
  { kept }: Pick<RunningCommand, 'kept'>,
  group: GroupSeen,
  code: Code | undefined,
  host: Host | undefined,
  signal: AbortSignal,
): Promise<Evidence> {
  const { run, server, cwd, env, roots, redact } = subject;
  const faults: string[] = [];
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    if (signal.aborted) return undefined;
    try {
      return await work();
    } catch (error) {
      faults.push(`${what}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const keep = (name: string, content: Buffer | string): Promise<unknown> =>
    attempt(name, () => server.upload(run, `gyre/${name}`, typeof content === 'string' ? Buffer.from(content) : content));

  const record = readRecord(await readFile(recordIn(subject.scratch), 'utf8').catch(() => ''));
  const { read, written } = subject.inputs ? readFirst([...record.opened, ...group.opened], roots) : { read: [], written: [] };
  const inputs = (await attempt('digests of the inputs', () => inputFiles(read, cwd, signal))) ?? [];
  if (inputs.length > 0) await attempt('inputs', () => server.logInputs(run.id, datasetsOf(inputs, cwd)));
  const python = record.pythons[0];
  const packages = python && (await attempt('packages', () => packagesOf(python.executable, cwd, env)));
  const locks = await lockFiles([cwd, ...(code ? [code.root] : [])]);
  const outputs = (await attempt('outputs', () => outputsWritten(subject.outputs, cwd, subject.outputsBefore))) ?? [];

  await attempt('tags', () =>
    server.setTags(run.id, {
      ...code?.tags,
      'gyre.exit_code': String(end.code ?? ''),
      ...(end.signal === null ? {} : { 'gyre.signal': end.signal }),
      'gyre.wall_s': (end.wallMs / 1000).toFixed(3),
      ...(end.cpuS === null ? {} : { 'gyre.cpu_s': end.cpuS.toFixed(2) }),
      ...(group.peakRssBytes === null ? {} : { 'gyre.peak_rss_bytes': String(group.peakRssBytes) }),
      ...(host ? { 'gyre.host.os': host.os, 'gyre.host.cpus': String(host.cpus), 'gyre.host.gpus': host.gpus.join('; ') } : {}),
      ...(python ? { 'gyre.python.version': python.version, 'gyre.python.executable': python.executable } : {}),
      ...(subject.inputs ? { 'gyre.inputs': String(inputs.length) } : {}),
      ...(subject.outputs.length > 0 ? { 'gyre.outputs': String(outputs.length) } : {}),
    }),
  );
  if (code?.artifact) await keep(code.artifact.name, code.artifact.content);
  if (packages) await keep('requirements.txt', `${packages}\n`);
  if (kept.stdout.total > 0) await keep('stdout.txt', redact(kept.stdout.text()));
  if (kept.stderr.total > 0) await keep('stderr.txt', redact(kept.stderr.text()));
  await keep('rerun.sh', rerunScript(subject, code, inputs));
  for (const output of outputs) await attempt(output.artifact, () => server.upload(run, output.artifact, { file: output.file }));
  await keep(
    'run.json',
    JSON.stringify(
      {
        command: subject.words,
        folder: cwd,
        exitCode: end.code,
        signal: end.signal,
        wallSeconds: end.wallMs / 1000,
        cpuSeconds: end.cpuS,
        peakRssBytes: group.peakRssBytes,
        peakProcesses: group.peakProcesses,
        host: host ?? null,
        python: python ?? null,
        variables: Object.fromEntries(Object.entries(keptVariables(env, subject.variables)).map(([k, v]) => [k, redact(v)])),
        lockFiles: locks,
        code: code ? { kind: code.kind, ...code.tags, artifact: code.artifact?.name ?? null, leftOut: code.leftOut.slice(0, 1000) } : null,
        inputs: subject.inputs ? { files: inputs, complete: !record.full } : null,
        filesWritten: written.slice(0, 10_000),
        outputs: outputs.map(({ artifact, sizeBytes }) => ({ artifact, sizeBytes })),
        streams: { stdoutBytes: kept.stdout.total, stderrBytes: kept.stderr.total },
      },
      null,
      2,
    ),
  );
  return { inputs, filesWritten: written.length, outputs, python, faults };
}
