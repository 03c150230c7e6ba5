import { parentPort, workerData } from 'node:worker_threads';
import { writeLines } from './segment-lines.ts';

const { segmentPath, folder } = workerData as { segmentPath: string; folder: string };
parentPort!.postMessage(writeLines(segmentPath, folder));
