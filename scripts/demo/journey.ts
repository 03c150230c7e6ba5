// The journey itself: each step is a command that a reader can repeat, and its result is looked at.
import { mkdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { runCli } from '../../src/app/cli.ts';
import { path, type Client } from '../../src/kernel/cli/client.ts';
import { count, duration, type Terminal } from '../../src/kernel/cli/terminal.ts';
import { badModels } from './bad-models.ts';
import { dateOf, ENDPOINT, goRound, type Round } from './loop.ts';
import type { Receiver } from './receiver.ts';

export interface Journey {
  readonly terminal: Terminal;
  readonly client: Client;
  readonly url: string;
  /** Path of gyre.yaml. */
  readonly project: string;
  /** Folder for the report and the model card. */
  readonly out: string;
  /** The replay goes from March up to this day. */
  readonly until: string;
  /** Hears the alerts. */
  readonly receiver: Receiver;
  readonly cache: boolean;
  /** performance.now() at the start. */
  readonly began: number;
}

interface Metric {
  readonly metric: string;
  readonly figure: {
    readonly value: number;
    readonly n: number;
    readonly interval?: { readonly low: number; readonly high: number; readonly level: number; readonly method: string };
  };
}
interface Report {
  readonly model: { readonly number: number };
  readonly evaluation: { readonly primary: Metric };
}

const FIRST_DAY = new Date('2013-03-01T00:00:00Z');
const BAD_MODELS_ON = new Date('2013-04-01T00:00:00Z');
/** Whom everything is forgotten of at the end: one aircraft stands for a person. */
const SUBJECT = 'tailnum=N14228';

export async function journey(j: Journey): Promise<{ report: string; card: string; round: Round }> {
  const { terminal } = j;
  mkdirSync(j.out, { recursive: true });
  const chapter = (title: string): void => terminal.out(`\n${title}`);
  const command = async (expected: number, args: readonly string[]): Promise<void> => {
    const all = j.cache || args[0] !== 'run' ? args : [...args, '--no-cache'];
    terminal.out(`$ gyre ${all.map((a) => (/[\s*[\]]/.test(a) ? `'${a}'` : a)).join(' ')}`);
    const code = await runCli([...all, '--file', j.project, '--url', j.url], terminal);
    if (code !== expected) throw new Error(`"gyre ${all.join(' ')}" ended with code ${code}, and ${expected} was expected`);
  };
  const gyre = (...args: string[]): Promise<void> => command(0, args);
  const refused = (...args: string[]): Promise<void> => command(1, args);

  chapter('1  The project: one file, with the SQL, contracts and Python it names');
  await gyre('apply', '--no-data');

  chapter('2  Data of January and February: versions, checked against their contracts');
  for (const dataset of ['airports', 'planes', 'weather']) await gyre('datasets', 'push', dataset);
  await gyre('datasets', 'push', 'flights_raw', '--files', 'data/flights/2013-0[12].parquet');
  await gyre('datasets', 'refresh');

  chapter('3  Training: point-in-time rows, a fit in Python, an evaluation made by scoring the sealed model');
  await gyre('run', 'train', '--no-data');

  chapter('4  The gate, and the first release to the endpoint');
  await gyre('models', 'decide', ENDPOINT, 'latest');
  await gyre('features', 'materialise');
  await gyre('release', 'start', ENDPOINT, 'latest', '--reason', 'first release of the demo');

  chapter('5  From March on: each flight is predicted two hours before its departure, and watched against what happened');
  const mornings = new Map([[dateOf(BAD_MODELS_ON), () => badModels({ gyre, refused, chapter, url: j.url }, BAD_MODELS_ON)]]);
  const end = new Date(`${j.until}T00:00:00Z`);
  const round = await goRound({ terminal, client: j.client, project: j.project, gyre, mornings }, FIRST_DAY, end);
  terminal.out(`   ${count(j.receiver.heard.length)} signed deliveries reached the receiver of alerts.`);

  chapter('6  What was decided, and why');
  await gyre('alerts', 'list');
  await gyre('retraining', 'triggers');
  await gyre('releases', ENDPOINT);

  chapter('7  From one prediction back to the source files, and from the flights forward');
  await gyre('why', 'prediction', round.lastPredictionId);
  await gyre('lineage', 'impact', 'weather.wind_speed');

  chapter('8  One subject is erased from everything');
  await gyre('erase', SUBJECT, '--reason', 'a request of the demo');
  await gyre('audit', 'verify');

  chapter('9  What to show to others');
  const [report, card] = [join(j.out, 'report.html'), join(j.out, 'model-card.md')];
  await gyre('report', '--output', report, '--from', FIRST_DAY.toISOString(), '--to', end.toISOString());
  await gyre('models', 'card', ENDPOINT, 'champion', '--output', card);
  await summary(j, round, report, card);
  return { report, card, round };
}

async function summary({ terminal, client, began, project }: Journey, round: Round, report: string, card: string): Promise<void> {
  const { model, evaluation } = await client.post<Report>(path`/projects/flights/report`, { format: 'json' });
  const figure = ({ figure: f }: Metric): string =>
    `ROC AUC ${f.value.toFixed(3)}${f.interval ? ` (${f.interval.level * 100} % interval ${f.interval.low.toFixed(3)} to ${f.interval.high.toFixed(3)}, ${f.interval.method})` : ''}, n = ${count(f.n)}`;
  const here = (file: string): string => relative(process.cwd(), file);
  terminal.out(`
Done in ${duration(performance.now() - began)}.
  model        ${ENDPOINT} version ${model.number} serves the endpoint ${ENDPOINT}
  evaluation   ${figure(evaluation.primary)}: rows the fit never saw
  predictions  ${count(round.predictions)} over HTTP, one flight each; ${count(round.labels)} labels came back
  report       ${here(report)}
  model card   ${here(card)}

Go on: "npm run demo -- --keep" leaves the server running and prints its address; "npm run demo -- --year" goes on to the
end of October. With the address in GYRE_URL, change a line of ${here(join(dirname(project), 'python/train.py'))}, and
  npx gyre run train --no-data --file ${here(project)}    does again only what the change touches
  npx gyre why run RUN                                           names the file
The shortest way to a project of your own is in README.md.`);
}
