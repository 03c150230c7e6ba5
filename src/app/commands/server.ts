// Commands that run the server itself, and what it says of itself.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { parseSetting, processSettings, settingsTable, type Settings } from '../../kernel/config/settings.ts';
import { exitCodes } from '../../kernel/cli/exit-codes.ts';
import { count, table } from '../../kernel/cli/terminal.ts';
import { act, type Program } from './command.ts';
import { fail, port, present } from './option-values.ts';
import { serveCommand } from './serve.ts';

interface UpOptions {
  readonly dir?: string;
  readonly host?: string;
  readonly port?: string;
  readonly servePort?: string;
  readonly grpcPort?: string;
  readonly databaseUrl?: string;
  readonly artifactRoot?: string;
  readonly serveArtifacts: boolean;
  readonly auth?: string;
  readonly adminUser?: string;
  readonly adminPasswordFile?: string;
  readonly dataPlane: boolean;
}

const basicAuth = (value: string): 'basic' =>
  value === 'basic' ? value : fail('option-invalid', { option: '--auth', value, expected: 'basic' });

function readHead(file: string): { seq: number; hash: string } {
  const text = readFileSync(file, 'utf8');
  try {
    const { seq, hash } = JSON.parse(text) as { seq: unknown; hash: unknown };
    if (Number.isSafeInteger(seq) && typeof hash === 'string') return { seq: seq as number, hash };
  } catch {
    // Told below.
  }
  return fail('option-invalid', { option: '--head', value: file, expected: 'a file with what "gyre audit head" printed' });
}

interface Audit {
  readonly ok: boolean;
  readonly events: number;
  readonly head: string;
  readonly faults: readonly { readonly seq: number; readonly what: string }[];
}

interface Status {
  readonly version: string;
  readonly control: { readonly url: string; readonly pid: number };
  readonly dataPlane: { readonly url: string | null; readonly pid: number | null; readonly restarts: number; readonly grpc: string | null };
  readonly dataPlanes: readonly {
    readonly replica: string;
    readonly url: string;
    readonly plan: number;
    readonly endpoints: readonly { readonly name: string; readonly revision: number }[];
    readonly failures: readonly { readonly endpoint: string; readonly why: string }[];
  }[];
  readonly injectedFaults: readonly { readonly endpoint: string; readonly variant: string; readonly errorRate: number }[];
  readonly database: string;
  readonly replicas: readonly { readonly url: string; readonly place: string; readonly leads: boolean; readonly dataPlane: boolean }[];
  readonly workspace: string;
  readonly events: number;
}

export function serverCommands(program: Program, root: Command): void {
  root
    .command('up')
    .description('start the server: control plane, data plane, and compute on demand')
    .option('--dir <folder>', 'where everything it writes is kept (GYRE_DIR, default .gyre)')
    .option('--host <address>', 'the address to listen on (GYRE_HOST, default 127.0.0.1)')
    .option('--port <number>', 'the port of the control plane; 0 takes a free one (GYRE_PORT, default 7400)')
    .option('--serve-port <number>', 'the port of the data plane (GYRE_SERVE_PORT, default any free one)')
    .option('--grpc-port <number>', 'the port for gRPC; 0 takes a free one (GYRE_GRPC_PORT, default none)')
    .option('--database-url <url>', 'PostgreSQL instead of the embedded database (GYRE_DATABASE_URL)')
    .option('--artifact-root <uri>', 'where artifacts of new experiments are kept (GYRE_ARTIFACT_ROOT, default through the server)')
    .option('--no-serve-artifacts', 'let no client send artifacts through the server (GYRE_SERVE_ARTIFACTS=0)')
    .option('--auth <kind>', '"basic": everybody logs in, also on this machine; needs an administrator')
    .option('--admin-user <name>', 'create this administrator if there are no users yet')
    .option('--admin-password-file <file>', 'the file that holds its password')
    .option('--no-data-plane', 'run without the data plane')
    .action(async (options: UpOptions) => {
      const { supervise } = await import('../supervisor.ts');
      const settings = processSettings(
        present({
          dir: options.dir,
          host: options.host,
          port: port('--port', options.port),
          servePort: port('--serve-port', options.servePort),
          grpcPort: port('--grpc-port', options.grpcPort)?.toString(),
          databaseUrl: options.databaseUrl,
          artifactRoot: options.artifactRoot === undefined ? undefined : parseSetting('artifactRoot', options.artifactRoot),
          serveArtifacts: options.serveArtifacts ? undefined : false,
        }) as Partial<Settings>,
      );
      const auth = options.auth === undefined ? undefined : basicAuth(options.auth);
      const { adminUser, adminPasswordFile } = options;
      if ((adminUser === undefined) !== (adminPasswordFile === undefined))
        fail('option-invalid', { option: '--admin-user', value: adminUser ?? '(none)', expected: 'together with --admin-password-file' });
      const running = await supervise(settings, present({ auth, adminUser, adminPasswordFile }), { dataPlane: options.dataPlane });
      process.on('SIGINT', () => void running.stop());
      process.on('SIGTERM', () => void running.stop());
      program.terminal.out(`Gyre is ready at ${running.urls.control}`);
      program.exit(await running.ended);
    });

  serveCommand(program, root);

  act(program, root.command('status').description('processes, addresses and endpoints of the server'), async (use) => {
    const status = await use.client().get<Status>('/status');
    use.print(status, () => [
      `Gyre ${status.version} at ${status.control.url} (${status.database}, workspace ${status.workspace}, ${status.events} events)`,
      status.dataPlane.url
        ? `data plane at ${status.dataPlane.url}${status.dataPlane.grpc ? `, gRPC at ${status.dataPlane.grpc}` : ''}, restarted ${status.dataPlane.restarts} times`
        : 'no data plane is running',
      ...status.dataPlanes.flatMap((p) => [
        ...p.endpoints.map((e) => `  ${e.name} revision ${e.revision} on ${p.replica} (plan ${p.plan})`),
        ...p.failures.map((f) => `  ${f.endpoint} was not taken by ${p.replica}: ${f.why}`),
      ]),
      ...status.replicas.map(
        (r) => `replica at ${r.url}: ${r.place}${r.dataPlane ? ', with a data plane' : ''}${r.leads ? ', leads' : ''}`,
      ),
      ...status.injectedFaults.map(
        (f) => `  ${f.endpoint} ${f.variant} fails ${f.errorRate * 100} % of its requests on purpose (GYRE_FAULT_INJECTION)`,
      ),
    ]);
  });

  const config = root.command('config').description('settings');
  act(program, config.command('show').description('every setting: its value here, its default, what it does'), async (use) => {
    const settings = use.settings() as unknown as Record<string, unknown>;
    const rows = Object.entries(settingsTable).map(([name, s]) => ({
      setting: s.env,
      value: 'secret' in s ? (settings[name] === '' ? '' : '(secret)') : settings[name],
      default: s.default,
      doc: s.doc,
    }));
    use.print(rows, () =>
      table(rows, [
        { title: 'SETTING', value: (r) => r.setting },
        { title: 'VALUE', value: (r) => String(r.value) },
        { title: 'WHAT IT DOES', value: (r) => r.doc },
      ]),
    );
  });

  const audit = root.command('audit').description('the chain of events');
  act<[], { head?: string }>(
    program,
    audit
      .command('verify')
      .description('check that no event was changed, removed or inserted')
      .option('--head <file>', 'a head that "gyre audit head" printed; then a cut-off end is found too'),
    async (use) => {
      const head = use.options.head === undefined ? undefined : readHead(use.options.head);
      const result = await use.client().get<Audit>(`/audit/verify${head ? `?seq=${head.seq}&hash=${head.hash}` : ''}`);
      use.print(result, () =>
        result.ok
          ? [
              `${count(result.events)} events, none changed, removed or inserted.${head ? '' : ' Only an exported head shows that none was cut off at the end.'}`,
            ]
          : result.faults.map((f) => `event ${f.seq}: ${f.what}`),
      );
      return result.ok ? exitCodes.ok : exitCodes.failed;
    },
  );
  act(program, audit.command('head').description('print the newest event’s number and hash, to be kept elsewhere'), async (use) => {
    const { events, head } = await use.client().get<Audit>('/audit/verify');
    use.print({ seq: events, hash: head }, () => [JSON.stringify({ seq: events, hash: head })]);
  });
}
