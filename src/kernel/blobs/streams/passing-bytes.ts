// Bytes that only pass through are garbage outside of V8's heap, and V8 lets tens of megabytes of it gather before it
// looks. Who passes bytes on counts them here, so that it is collected while it is still little, however much passes.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const EVERY_BYTES = 8 * 1024 * 1024;

let passed = 0;
let collect: ((options: { type: 'minor' }) => void) | undefined;

/** Counts bytes that a stream has taken or given, and collects the youngest garbage after each eight megabytes. */
export function bytesPassed(count: number): void {
  passed += count;
  if (passed < EVERY_BYTES) return;
  passed = 0;
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as typeof collect;
  }
  collect!({ type: 'minor' });
}
