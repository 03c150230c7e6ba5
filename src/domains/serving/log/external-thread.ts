import { parentPort, workerData } from 'node:worker_threads';
import { writeExternalLines, type ExternalSource } from './external-lines.ts';

parentPort!.postMessage(await writeExternalLines(workerData as ExternalSource));
