// The other end of scanner.ts: answers queries one after the other from a connection of its own.
import { parentPort, workerData } from 'node:worker_threads';
import { listsOf, openForReading, preparedIn } from '../sqlite-statements.ts';
import type { Asked, Scanned } from './scanner.ts';

const prepared = preparedIn(openForReading(workerData as string));

parentPort!.on('message', ({ id, sql, binds }: Asked) => {
  let answer: Scanned;
  try {
    const { statement, names } = prepared(sql);
    answer = { id, names, lists: listsOf(statement, binds) };
  } catch (error) {
    answer = { id, error };
  }
  parentPort!.postMessage(answer);
});
