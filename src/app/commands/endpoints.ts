// gyre rollback, predict, and by releases/ release and trial: an endpoint and its answers.
import type { Command } from 'commander';
import { path } from '../../kernel/cli/client.ts';
import { defineErrors } from '../../kernel/errors.ts';
import { act, assignments, moment, type Program } from './command.ts';
import { columnTypes, predict } from './predict/prediction.ts';
import { predictDataset, predictDatasetOptions, type PredictDatasetOptions } from './predict/predict-dataset.ts';
import { releaseCommands } from './releases/release-commands.ts';
import { trialCommands } from './releases/trial-commands.ts';

const { fail } = defineErrors({
  'no-data-plane': {
    status: 409,
    title: 'No data plane is running',
    detail: (_p: object) =>
      'The server runs without a data plane, so nothing answers predictions; start it without --no-data-plane, or run "gyre serve".',
  },
});

export function endpointCommands(program: Program, root: Command): void {
  releaseCommands(program, root);
  trialCommands(program, root);

  act<[string], { to?: string; revision?: string; reason?: string }>(
    program,
    root
      .command('rollback')
      .description('go back to a revision of an endpoint that was promoted before')
      .argument('<endpoint>', 'its name in gyre.yaml')
      .option(
        '--to <number>',
        'revision of the endpoint; a recent one at once, an older one by the steps; otherwise the one before the current',
      )
      .option('--revision <number>', 'the same as --to')
      .option('--reason <text>', 'why, for the record'),
    async (use, endpoint) => {
      const { to, revision = to, reason } = use.options;
      const release = await use
        .client()
        .post<{ id: string; state: string; revision: string }>(path`/projects/${await use.project()}/endpoints/${endpoint}/rollback`, {
          ...(revision === undefined ? {} : { revision: Number(revision) }),
          ...(reason === undefined ? {} : { reason }),
        });
      use.print(release, () =>
        release.state === 'promoted' || release.state === 'aborted'
          ? [`${endpoint} is back: release ${release.id} ${release.state}, revision ${release.revision}`]
          : [
              `${endpoint} goes back by its steps: release ${release.id} is in ${release.state}; "gyre release status ${endpoint}" shows it`,
            ],
      );
    },
  );

  const command = root.command('predict');
  act<[string | undefined, string[]], { asOf?: string } & PredictDatasetOptions>(
    program,
    predictDatasetOptions(
      command
        .description('ask an endpoint for one prediction, or score a whole dataset')
        .usage('<endpoint> <column=value...>\n       gyre predict --dataset <name> --model <name> --into <dataset>')
        .argument('[endpoint]', 'its name in gyre.yaml')
        .argument('[column=value...]', 'the columns of the request')
        .optionsGroup('One prediction:')
        .option('--as-of <moment>', 'event time of a replay, UTC'),
    ).optionsGroup('Options:'),
    async (use, endpoint, columns) => {
      const { dataset, model, into } = use.options;
      if (dataset !== undefined || model !== undefined || into !== undefined) {
        if (endpoint !== undefined)
          command.error(`error: "${endpoint}" is an endpoint to ask, and --dataset scores a dataset: give one of the two`);
        return predictDataset(program, use, command);
      }
      if (endpoint === undefined || columns.length === 0)
        return command.error('error: name an endpoint and the columns of one row, or a dataset with --dataset, --model and --into');
      const given = Object.entries(assignments(columns));
      const { dataPlane } = await use.client().get<{ dataPlane: { url: string | null } }>('/status');
      const url = dataPlane.url ?? fail('no-data-plane', {});
      const { token, workspace } = use.settings();
      const types = await columnTypes({ url, token, workspace, endpoint });
      const answer = await predict({
        url,
        token,
        workspace,
        endpoint,
        inputs: Object.fromEntries(given.map(([name, text]) => [name, valueOf(text, types.get(name))])),
        ...(use.options.asOf ? { asOf: moment(use.options.asOf) } : {}),
      });
      use.print(answer, () => [`${answer.score}  (${answer.predictionId}, model version ${answer.modelVersion})`]);
    },
  );
}

// What a column is decides how its text is read; a column that the endpoint does not know is told by the server.
function valueOf(text: string, type: string | undefined): unknown {
  if (text === '') return null;
  if (type === 'BYTES') return text;
  if (text === 'null') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isFinite(Number(text)) ? Number(text) : text;
}
