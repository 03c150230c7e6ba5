// gyre import, export: experiments from one installation to another, in a file or straight from MLflow.
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { exitCodes } from '../../../kernel/cli/exit-codes.ts';
import { startProgress, type Progress } from '../../../kernel/cli/progress.ts';
import type { Source } from '../../transfer/source.ts';
import { resolveSecret } from '../../../kernel/secrets.ts';
import { findCredential } from '../../../kernel/cli/credentials.ts';
import type { Login } from '../../transfer/mlflow/server.ts';
import { act, assignments, type Program, type Use } from '../command.ts';

interface ImportOptions {
  readonly rename: readonly string[];
  readonly into?: string;
  readonly dryRun?: true;
  readonly artifacts?: string | false;
  readonly linkArtifacts?: true;
  readonly report?: string;
}
interface MlflowOptions extends ImportOptions {
  readonly from: string;
  readonly fromWorkspace?: string;
}

/** As MLflow's own client finds it. */
const mlflowLogin = (): Login => ({
  token: resolveSecret('env:MLFLOW_TRACKING_TOKEN'),
  user: resolveSecret('env:MLFLOW_TRACKING_USERNAME'),
  password: resolveSecret('env:MLFLOW_TRACKING_PASSWORD'),
});

const each = (value: string, before: readonly string[]): string[] => [...before, value];

const importOptions = (command: Command): Command =>
  command
    .option('--rename <old=new>', 'another name for an experiment or registered model; may be given again', each, [])
    .option('--into <experiment>', 'put all runs into this experiment')
    .option('--dry-run', 'count what would come, and write nothing')
    .option('--report <file>', 'write the report there, as JSON');

/** One line for each kind of thing on its way. */
function progressOf({ terminal }: Pick<Use, 'terminal'>): { tell: (what: string, done: number) => void; end: () => void } {
  const lines = new Map<string, Progress>();
  const end = (): void => {
    for (const line of lines.values()) line.end();
    lines.clear();
  };
  return {
    tell: (what, done) => {
      if (!lines.has(what)) {
        end();
        lines.set(what, startProgress(terminal, what === 'compared' ? 'compare' : 'import', what === 'compared' ? 'records' : what));
      }
      lines.get(what)!.update(done);
    },
    end,
  };
}

async function takeAll(use: Use<ImportOptions>, source: Source): Promise<number> {
  const [{ takeOver }, { openTarget }, { reportLines }] = await Promise.all([
    import('../../transfer/take-over.ts'),
    import('../../transfer/target.ts'),
    import('../../transfer/report-lines.ts'),
  ]);
  const { options } = use;
  const progress = progressOf(use);
  try {
    const report = await takeOver(source, options.dryRun ? undefined : openTarget(use.client()), {
      artifacts: options.linkArtifacts ? 'link' : options.artifacts === false ? 'none' : 'copy',
      names: { into: options.into, rename: new Map(Object.entries(assignments(options.rename))) },
      progress: progress.tell,
    });
    progress.end();
    if (options.report !== undefined) writeFileSync(options.report, `${JSON.stringify(report, null, 2)}\n`);
    use.print(report, () => reportLines(report));
    return report.dryRun || report.verified ? exitCodes.ok : exitCodes.failed;
  } finally {
    progress.end();
    await source.close();
  }
}

export function transferCommands(program: Program, root: Command): void {
  act<[string], { experiment: readonly string[]; models?: true }>(
    program,
    root
      .command('export')
      .description('write experiments with all they hold into one file')
      .argument('<file>', 'for example experiments.gyre')
      .option('--experiment <name or id>', 'one of them; may be given again; otherwise all', each, [])
      .option('--models', 'registered models too, as far as their versions come from these experiments'),
    async (use, file) => {
      const { exportTo } = await import('../../transfer/archive/export.ts');
      const line = startProgress(use.terminal, 'export', 'runs');
      const { experiment, models } = use.options;
      const { url } = use.client();
      const { token, workspace } = use.settings();
      const done = await exportTo(file, url, {
        login: { token: token || findCredential(url)?.token },
        workspace: workspace === 'default' ? undefined : workspace,
        experiments: experiment,
        models: models === true,
        progress: (n) => line.update(n),
      });
      line.end();
      use.print(done, () => [
        `${file}: ${done.experiments} experiments, ${done.runs} runs, ${done.files} files, ${done.models} registered models, ${done.fileBytes} bytes`,
      ]);
    },
  );

  const imports = importOptions(
    root
      .command('import')
      .enablePositionalOptions()
      .description('take over experiments from a file that "gyre export" wrote, or a whole MLflow installation')
      .argument('<file>', 'what "gyre export" wrote'),
  );
  act<[string], ImportOptions>(program, imports, async (use, file) => {
    const { openExport } = await import('../../transfer/archive/export-source.ts');
    return takeAll(use, await openExport(file));
  });
  act<[], MlflowOptions>(
    program,
    importOptions(
      imports
        .command('mlflow')
        .description('take over an installation of MLflow: experiments, runs, models, artifacts and registry, compared in the end')
        .requiredOption('--from <place>', 'http(s)://host:port, a folder (./mlruns), sqlite:///path/mlflow.db, or postgresql://…')
        .option('--artifacts <root>', 'where its server keeps what it calls mlflow-artifacts:/ (a folder or s3://…)')
        .option('--no-artifacts', 'leave the files where they are')
        .option('--link-artifacts', 'leave the files where they are, and note their places')
        .option('--from-workspace <name>', 'the workspace of MLflow to take'),
    ),
    async (use) => {
      const { openSource } = await import('../../transfer/open-source.ts');
      const { from, artifacts, fromWorkspace } = use.options;
      return takeAll(
        use,
        await openSource(from, {
          artifacts: artifacts === false ? undefined : artifacts,
          workspace: fromWorkspace,
          login: mlflowLogin(),
          settings: use.settings,
        }),
      );
    },
  );
}
