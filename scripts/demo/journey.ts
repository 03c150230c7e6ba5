// The journey itself: each step is a command that a reader can repeat, and its result is looked at.
import { mkdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { runCli } from '../../src/app/cli.ts';
import { path, type Client } from '../../src/kernel/cli/client.ts';
import { startProgress } from '../../src/kernel/cli/progress.ts';
import { count, duration, type Terminal } from '../../src/kernel/cli/terminal.ts';
import { readFlights } from './flights.ts';
import { replay, type Replayed } from './replay.ts';

export interface Journey {
  readonly terminal: Terminal;
  readonly client: Client;
  readonly url: string;
  /** Path of gyre.yaml. */
  readonly project: string;
  /** Folder for the report and the model card. */
  readonly out: string;
  /** Replay March up to this day. */
  readonly until: string;
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
  readonly live: { readonly metrics: readonly Metric[] };
}

const ENDPOINT = 'late-arrival';
const FIRST_DAY = new Date('2013-03-01T00:00:00Z');
const DAY_MS = 86_400_000;

export async function journey(j: Journey): Promise<{ report: string; card: string; replayed: Replayed }> {
  const { terminal } = j;
  mkdirSync(j.out, { recursive: true });
  const chapter = (title: string): void => terminal.out(`\n${title}`);
  const gyre = async (...args: string[]): Promise<void> => {
    terminal.out(`$ gyre ${args.map((a) => (/[\s*[\]]/.test(a) ? `'${a}'` : a)).join(' ')}`);
    const code = await runCli([...args, '--file', j.project, '--url', j.url], terminal);
    if (code !== 0) throw new Error(`"gyre ${args.join(' ')}" ended with code ${code}`);
  };

  chapter('1  The project: one file, with the SQL, contracts and Python it names');
  await gyre('apply', '--no-data');

  chapter('2  Data of January and February: versions, checked against their contracts');
  for (const dataset of ['airports', 'planes', 'weather']) await gyre('datasets', 'push', dataset);
  await gyre('datasets', 'push', 'flights_raw', '--files', 'data/flights/2013-0[12].parquet');
  await gyre('datasets', 'refresh');

  chapter('3  Training: point-in-time rows, a fit in Python, an evaluation made by scoring the sealed model');
  await gyre('run', 'train', '--no-data');

  chapter('4  The gate, and the release to the endpoint');
  await gyre('models', 'decide', ENDPOINT, 'latest');
  await gyre('features', 'materialise');
  await gyre('release', ENDPOINT, 'latest', '--reason', 'first release of the demo');

  chapter('5  March, replayed: each flight is predicted two hours before its scheduled departure');
  await gyre('datasets', 'push', 'flights_raw', '--files', 'data/flights/2013-0[123].parquet');
  await gyre('datasets', 'refresh');
  await gyre('features', 'materialise');
  const replayed = await replayMarch(j);

  chapter('6  From one prediction back to the source files, and from the flights forward');
  await gyre('why', 'prediction', replayed.lastPredictionId);
  await gyre('lineage', 'dataset', 'flights');

  chapter('7  What to show to others');
  const [report, card] = [join(j.out, 'report.html'), join(j.out, 'model-card.md')];
  await gyre('report', '--output', report, '--from', FIRST_DAY.toISOString(), '--to', `${j.until}T00:00:00Z`);
  await gyre('models', 'card', ENDPOINT, 'latest', '--output', card);
  await summary(j, replayed, report, card);
  return { report, card, replayed };
}

async function replayMarch({ terminal, client, project, until }: Journey): Promise<Replayed> {
  const end = new Date(`${until}T00:00:00Z`);
  const flights = await readFlights(join(dirname(project), 'data/flights/2013-03.parquet'), FIRST_DAY, end);
  const { dataPlane } = await client.get<{ dataPlane: { url: string } }>('/status');
  const progress = startProgress(terminal, 'predictions', 'flights', flights.length);
  const days: Replayed[] = [];
  let before = 0;
  for (let day = FIRST_DAY; day < end; day = new Date(day.getTime() + DAY_MS)) {
    const next = new Date(day.getTime() + DAY_MS);
    const today = flights.filter((f) => f.atUs >= day.getTime() * 1000 && f.atUs < next.getTime() * 1000);
    days.push(await replay(dataPlane.url, ENDPOINT, today, (done) => progress.update(before + done)));
    before += today.length;
    // The barrier: answers when every prediction of the day is shipped and everything due by then is done.
    await client.post(path`/projects/flights/timeline/advance`, { to: next.toISOString() });
  }
  progress.end();
  const all = together(days);
  if (all.refused.length > 0)
    throw new Error(`${all.refused.length} predictions were refused, the first with ${all.refused[0]!.status}: ${all.refused[0]!.body}`);
  terminal.out(
    `${count(all.sent)} predictions over HTTP in ${duration(all.wallMs)}: ${count(Math.round((all.sent / all.wallMs) * 1000))}/s, p50 ${all.latencyMs.p50.toFixed(2)} ms, p99 ${all.latencyMs.p99.toFixed(2)} ms at concurrency 16; the caller itself used ${Math.round((all.clientCpuMs / all.wallMs) * 100)} % of one core`,
  );
  return all;
}

function together(days: readonly Replayed[]): Replayed {
  const sum = (of: (r: Replayed) => number): number => days.reduce((total, r) => total + of(r), 0);
  const sent = sum((r) => r.sent);
  return {
    sent,
    wallMs: sum((r) => r.wallMs),
    clientCpuMs: sum((r) => r.clientCpuMs),
    // Per day and then weighted: near enough for a line on a terminal, and no list of a month is kept.
    latencyMs: { p50: sum((r) => r.latencyMs.p50 * r.sent) / sent, p99: Math.max(...days.map((r) => r.latencyMs.p99)) },
    refused: days.flatMap((r) => r.refused),
    lastPredictionId: days.findLast((r) => r.lastPredictionId !== '')?.lastPredictionId ?? '',
  };
}

async function summary(
  { terminal, client, began, project, until }: Journey,
  replayed: Replayed,
  report: string,
  card: string,
): Promise<void> {
  const { model, evaluation, live } = await client.post<Report>(path`/projects/flights/report`, {
    format: 'json',
    from: FIRST_DAY.toISOString(),
    to: `${until}T00:00:00Z`,
  });
  const figure = ({ figure: f }: Metric): string =>
    `ROC AUC ${f.value.toFixed(3)}${f.interval ? ` (${f.interval.level * 100} % interval ${f.interval.low.toFixed(3)} to ${f.interval.high.toFixed(3)}, ${f.interval.method})` : ''}, n = ${count(f.n)}`;
  const here = (file: string): string => relative(process.cwd(), file);
  terminal.out(`
Done in ${duration(performance.now() - began)}.
  model        ${ENDPOINT} version ${model.number}, released to the endpoint ${ENDPOINT}
  evaluation   ${figure(evaluation.primary)}: rows the fit never saw
  in service   ${figure(live.metrics.find((m) => m.metric === 'roc_auc')!)}: flights of March whose outcome is known
  predictions  ${count(replayed.sent)} over HTTP, one flight each
  report       ${here(report)}
  model card   ${here(card)}

Go on: "npm run demo -- --keep" leaves the server running and prints its address. With it in GYRE_URL, change a line of
${here(join(dirname(project), 'python/train.py'))}, and
  npx gyre run train --no-data --file ${here(project)}    does again only what the change touches
  npx gyre why run RUN                                           names the file
The shortest way to a project of your own is in README.md.`);
}
