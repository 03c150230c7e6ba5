// `gyre serve`: a data plane alone, on the plan of a folder, on models that are named on the command line, or on both.
import type { Command } from 'commander';
import { isGiven, parseSetting, processSettings, type Settings } from '../../kernel/config/settings.ts';
import { exitCodes } from '../../kernel/cli/exit-codes.ts';
import type { ServedModel } from '../../domains/serving/data-plane.ts';
import type { ServeOptions } from '../serve.ts';
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
  readonly processes?: string;
  readonly corsOrigin: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
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
    .option('--processes <number>', 'so many processes answer on the same ports (GYRE_SERVE_PROCESSES, default 1); Linux only')
    .option(
      '--cors-origin <origin>',
      'web pages of this origin may ask; may be repeated (GYRE_SERVE_CORS_ORIGINS, default none)',
      collect,
      [],
    )
    .option('--tls-cert <file>', 'the certificate in PEM, for HTTPS and gRPC over TLS (GYRE_SERVE_TLS_CERT)')
    .option('--tls-key <file>', 'its private key in PEM (GYRE_SERVE_TLS_KEY)')
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
          serveProcesses: options.processes === undefined ? undefined : parseSetting('serveProcesses', options.processes),
          serveCorsOrigins: options.corsOrigin.length === 0 ? undefined : parseSetting('serveCorsOrigins', options.corsOrigin.join(',')),
          serveTlsCert: options.tlsCert,
          serveTlsKey: options.tlsKey,
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
      const how = {
        replica: options.replica,
        models,
        modelControl,
        withoutFolder,
        ...(options.python === undefined ? {} : { python: options.python }),
        ...(tokens ? { tokens } : {}),
      } satisfies ServeOptions;
      const plane =
        settings.serveProcesses === 1
          ? await (await import('../serve.ts')).startServe(settings, how)
          : await (await import('../serving/processes.ts')).startProcesses(settings, how, settings.serveProcesses);
      const stop = (): void => void plane.close().then(() => program.exit(exitCodes.ok));
      process.on('SIGINT', stop);
      process.on('SIGTERM', stop);
      const { terminal } = program;
      if (options.json) {
        terminal.out(JSON.stringify({ url: plane.url, grpc: plane.urls.grpc ?? null, replica: plane.replica, models: plane.models() }));
        return;
      }
      terminal.out(`Gyre answers predictions at ${plane.url}${plane.urls.grpc ? `, and gRPC at ${plane.urls.grpc}` : ''}`);
      for (const model of plane.models()) terminal.out(`  ${model.name} version ${model.version}: ${placed(model)}`);
    });
}

/** Where a model runs and what warm-up measured, in words. */
function placed({ placement }: ServedModel): string {
  if (!placement) return 'ONNX in this process';
  const where = { inline: 'ONNX in this process', process: 'ONNX in a process of its own', python: 'Python in processes of its own' }[
    placement.where
  ];
  const took =
    placement.rowMs === null ? 'it would not run on zeros in warm-up' : `a row took ${placement.rowMs.toPrecision(2)} ms in warm-up`;
  return `${where}; ${took}`;
}
