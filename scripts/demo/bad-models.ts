// Two bad models, on purpose. One learned from shuffled labels: the gate refuses it. One is as good as any on
// paper and fails in service, by the fault that GYRE_FAULT_INJECTION allows: its canary is rolled back.
import { request } from '../../src/kernel/cli/client.ts';
import { dateOf, ENDPOINT } from './loop.ts';

export interface BadModels {
  readonly gyre: (...args: string[]) => Promise<void>;
  /** A command that has to end with this code. */
  readonly refused: (...args: string[]) => Promise<void>;
  readonly chapter: (title: string) => void;
  readonly url: string;
}

const DAY_MS = 86_400_000;
/** The share of its requests that the second one fails. */
const FAULT = '0.05';

/** Trains both on the newest two months as of `today`, with the same windows as a retraining would. */
export async function badModels({ gyre, refused, chapter, url }: BadModels, today: Date): Promise<void> {
  const before = (days: number): string => dateOf(new Date(today.getTime() - days * DAY_MS));
  const newest = [`from=${before(81)}`, `to=${before(21)}`, `test_to=${dateOf(today)}`].flatMap((p) => ['--param', p]);
  const train = (extra: string, reason: string): Promise<void> =>
    gyre('run', 'train', '--no-data', ...newest, '--param', extra, '--reason', reason);

  chapter('   A model that learned from shuffled labels');
  await train('shuffle_labels=true', 'a bad model on purpose: shuffled labels');
  await refused('models', 'decide', ENDPOINT, 'latest');

  chapter(`   A model that passes the gate and then fails on ${Number(FAULT) * 100} % of its requests`);
  await train('learning_rate=0.07', 'a bad model on purpose: good on paper, fails in service');
  await setTag(url, 'gyre.fault.error_rate', FAULT);
  await gyre('models', 'decide', ENDPOINT, 'latest');
  await gyre('release', 'start', ENDPOINT, 'latest', '--reason', 'a bad model on purpose: it fails some requests');
}

// Through MLflow's own interface, as any tool of the team would do it.
async function setTag(url: string, key: string, value: string): Promise<void> {
  const mlflow = async <T>(method: 'GET' | 'POST', path: string, body?: object): Promise<T> => {
    const init = body ? { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : { method };
    return (await (await request(url, `/api/2.0/mlflow/${path}`, init)).json()) as T;
  };
  const { model_versions: found } = await mlflow<{ model_versions: { version: string }[] }>(
    'GET',
    `model-versions/search?filter=${encodeURIComponent(`name='${ENDPOINT}'`)}&max_results=1000`,
  );
  const version = String(Math.max(...found.map((v) => Number(v.version))));
  await mlflow('POST', 'model-versions/set-tag', { name: ENDPOINT, version, key, value });
}
