// Sorting a million scores would stop the server for a second, so large sets of rows are worked on by a thread.
import { extname, join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { estimatesOf, type EstimateQuestion, type Estimates } from './estimate.ts';
import { performanceOf, type Performance, type PerformanceQuestion } from './performance-figures.ts';
import { scoresBaseline, type ScoredRows, type ScoresBaseline } from './scores-baseline.ts';

type Task =
  | { readonly monitoring: 'performance'; readonly question: PerformanceQuestion }
  | { readonly monitoring: 'estimate'; readonly asked: EstimateQuestion }
  | { readonly monitoring: 'baseline'; readonly rows: ScoredRows; readonly windowUs: number };

/** Rows up to which the figures take a few milliseconds. */
const FEW = 20_000;

function perform(task: Task): Performance | Estimates | ScoresBaseline {
  if (task.monitoring === 'performance') return performanceOf(task.question);
  return task.monitoring === 'estimate' ? estimatesOf(task.asked) : scoresBaseline(task.rows, task.windowUs);
}

const given = workerData as Partial<Task> | null;
if (!isMainThread && given?.monitoring !== undefined) parentPort!.postMessage(perform(given as Task));

const inThread = <T>(task: Task): Promise<T> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(join(import.meta.dirname, `figures-thread${extname(import.meta.filename)}`), {
      workerData: task,
      execArgv: ['--no-warnings'],
    });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the thread of the figures ended (${code}) before it answered`)));
  });

export const computePerformance = async (question: PerformanceQuestion): Promise<Performance> =>
  question.rows.labels.length <= FEW ? performanceOf(question) : inThread({ monitoring: 'performance', question });

export const computeEstimates = async (asked: EstimateQuestion): Promise<Estimates> =>
  asked.scores.length <= FEW || asked.calibrator === null ? estimatesOf(asked) : inThread({ monitoring: 'estimate', asked });

export const computeScoresBaseline = async (rows: ScoredRows | undefined, windowUs: number): Promise<ScoresBaseline> =>
  rows === undefined || rows.labels.length <= FEW ? scoresBaseline(rows, windowUs) : inThread({ monitoring: 'baseline', rows, windowUs });
