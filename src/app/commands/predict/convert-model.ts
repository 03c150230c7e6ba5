// gyre models convert: a scikit-learn, LightGBM or XGBoost version as ONNX, shown to answer the same.
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { path } from '../../../kernel/cli/client.ts';
import { exitCodes } from '../../../kernel/cli/exit-codes.ts';
import { act, type Program } from '../command.ts';
import { versioned } from './predict-dataset.ts';

interface Conversion {
  readonly id: string;
  readonly model: string;
  readonly versionNumber: number;
  readonly state: 'running' | 'succeeded' | 'failed';
  readonly doing: string;
  readonly madeVersion: number | null;
  readonly sameness: {
    readonly rows: number;
    readonly tolerance: number;
    readonly maxDifference: number;
    readonly differingLabels: number | null;
    readonly labelRows: number | null;
  } | null;
  readonly error: { readonly title?: string; readonly detail?: string } | null;
}

const samenessLine = (s: NonNullable<Conversion['sameness']>): string =>
  `  scores differ by at most ${s.maxDifference} on ${s.rows} rows (tolerance ${s.tolerance})${s.differingLabels === null ? '' : `; ${s.differingLabels} of ${s.labelRows} labels differ`}`;

export function convertCommand(program: Program, models: Command): void {
  act<[string], { to: string; tolerance?: string; on?: string; detach?: true }>(
    program,
    models
      .command('convert')
      .description('convert a scikit-learn, LightGBM or XGBoost version to ONNX; registered only if both answer the same')
      .argument('<model[@version]>', 'its name, with a number, alias or latest; otherwise latest')
      .option('--to <format>', 'onnx', 'onnx')
      .option('--on <dataset[@version]>', 'compare on the rows of this dataset; otherwise those of the version’s evaluation')
      .option('--tolerance <number>', 'by how much a score may differ, of its size, or of 1 below it; otherwise 0.00001')
      .option('--detach', 'start it and return at once'),
    async (use, given) => {
      const { options, terminal } = use;
      if (options.to !== 'onnx') models.error(`error: a model is converted to onnx, not to "${options.to}"`);
      const tolerance = options.tolerance === undefined ? undefined : Number(options.tolerance);
      if (tolerance !== undefined && !(tolerance > 0 && tolerance <= 1))
        models.error(`error: --tolerance is a number above 0 and at most 1, for example 0.0001, and "${options.tolerance}" is not`);
      const { name, version = 'latest' } = versioned(given, /[@:]/);
      const on = options.on === undefined ? undefined : versioned(options.on, /@/);
      const client = use.client();
      let now = await client.post<Conversion>(path`/models/${name}/versions/${version}/convert`, {
        ...(tolerance === undefined ? {} : { tolerance }),
        ...(on ? { rows: { project: await use.project(), dataset: on.name, ...(on.version ? { number: Number(on.version) } : {}) } } : {}),
      });
      if (options.detach) {
        use.print(now, () => [now.id]);
        return exitCodes.ok;
      }
      process.once('SIGINT', () => {
        terminal.say(`\nThe conversion ${now.id} goes on at the server.`);
        program.exit(exitCodes.interrupted);
      });
      for (let told = '', wait = 50; now.state === 'running'; wait = Math.min(wait * 1.5, 500)) {
        if (now.doing !== told) terminal.say(`${now.doing} ...`);
        told = now.doing;
        await delay(wait);
        now = await client.get<Conversion>(path`/models/${name}/conversions/${now.id}`);
      }
      use.print(now, () =>
        now.state === 'succeeded'
          ? [
              `${name} version ${now.madeVersion} is version ${now.versionNumber} as ONNX`,
              ...(now.sameness ? [samenessLine(now.sameness)] : []),
              `  it has not been released: gyre models decide ${name} ${now.madeVersion}`,
            ]
          : [],
      );
      if (now.state === 'succeeded') return exitCodes.ok;
      terminal.say(now.error?.detail ?? now.error?.title ?? 'The conversion failed.');
      return exitCodes.failed;
    },
  );
}
