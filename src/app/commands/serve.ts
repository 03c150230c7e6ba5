// `gyre serve`: a data plane alone, on the plan of a folder, on models that are named on the command line, or on both.
import type { Command } from 'commander';
import { isGiven, processSettings, type Settings } from '../../kernel/config/settings.ts';
import { exitCodes } from '../../kernel/cli/exit-codes.ts';
import { isLoopback } from '../../kernel/http/loopback.ts';
import type { Program } from './command.ts';
import { fail as failOption, port, present } from './option-values.ts';

interface ServeCommandOptions {
  readonly model: readonly string[];
  readonly dir?: string;
  readonly host?: string;
  readonly port?: string;
  readonly grpcPort?: string;
  readonly modelControl?: string;
  readonly tokenFile?: string;
  readonly python?: string;
  readonly replica: string;
  readonly json?: true;
}

const collect = (value: string, before: readonly string[]): string[] => [...before, value];

export function serveCommand(program: Program, root: Command): void {
  root
    .command('serve')
    .description('answer predictions, without a control plane: of models named here, or of the serving plan in a folder')
    .option(
      '--model <name=path>',
      'an ONNX file or an MLflow model folder, as NAME=PATH or NAME@VERSION=PATH; may be repeated',
      collect,
      [],
    )
    .option('--port <number>', 'the port; 0 takes a free one (GYRE_SERVE_PORT)')
    .option('--grpc-port <number>', 'the port for gRPC; 0 takes a free one (GYRE_GRPC_PORT, default none)')
    .option('--host <address>', 'the address to listen on (GYRE_HOST, default 127.0.0.1); another one needs --token-file')
    .option('--model-control <mode>', '"explicit": callers may load these models anew and unload them ("none" by default)')
    .option('--token-file <file>', 'a token on each line, and behind it the names it may ask, if not all; then nobody asks without one')
    .option('--python <path>', 'a Python that has what the models need; without it each gets the environment that its folder describes')
    .option('--dir <folder>', 'the server’s folder with the plan and the log (GYRE_DIR; default .gyre, with --model none)')
    .option('--replica <name>', 'the name of this data plane, the first part of its prediction ids', 'r1')
    .option('--json', 'print addresses and models as one line of JSON')
    .action(async (options: ServeCommandOptions) => {
      const settings = processSettings(
        present({
          dir: options.dir,
          host: options.host,
          servePort: port('--port', options.port),
          grpcPort: port('--grpc-port', options.grpcPort)?.toString(),
        }) as Partial<Settings>,
      );
      const { findModels, parseModelArgument, expected } = await import('../serving/model-arguments.ts');
      const models = findModels(
        options.model.map((value) => parseModelArgument(value) ?? failOption('option-invalid', { option: '--model', value, expected })),
      );
      const { modelControl = 'none' } = options;
      if (modelControl !== 'none' && modelControl !== 'explicit')
        return failOption('option-invalid', { option: '--model-control', value: modelControl, expected: 'none or explicit' });
      const withoutFolder = models.length > 0 && options.dir === undefined && !isGiven('dir');
      const tokens =
        options.tokenFile === undefined ? undefined : (await import('../serving/token-file.ts')).readTokenFile(options.tokenFile);
      if (withoutFolder && tokens === undefined && !isLoopback(settings.host)) {
        const { fail } = await import('../serving/errors.ts');
        fail('open-without-tokens', { host: settings.host });
      }
      const { startServe } = await import('../serve.ts');
      const plane = await startServe(settings, {
        replica: options.replica,
        models,
        modelControl,
        withoutFolder,
        ...(options.python === undefined ? {} : { python: options.python }),
        ...(tokens ? { tokens } : {}),
      });
      const stop = (): void => void plane.close().then(() => program.exit(exitCodes.ok));
      process.on('SIGINT', stop);
      process.on('SIGTERM', stop);
      const { terminal } = program;
      if (options.json) {
        terminal.out(JSON.stringify({ url: plane.url, grpc: plane.urls.grpc ?? null, replica: plane.replica, models: plane.models() }));
        return;
      }
      terminal.out(`Gyre answers predictions at ${plane.url}${plane.urls.grpc ? `, and gRPC at ${plane.urls.grpc}` : ''}`);
      for (const line of plane.models().map((m) => `  ${m.name} version ${m.version}`)) terminal.out(line);
    });
}
