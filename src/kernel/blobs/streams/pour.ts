import { IncomingMessage } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { bytesPassed } from './passing-bytes.ts';

/**
 * All bytes of a source into a sink; the sink is closed afterwards, whatever happened. A source that failed to arrive
 * is let go of, but for the body of a request: who sends it hears of the failure only on a connection that is open.
 */
export async function pour(source: Readable, sink: Writable): Promise<void> {
  // One that breaks off takes the sink with it.
  finished(source, { writable: false }).catch((error: unknown) => sink.destroy(error as Error));
  source.on('data', (chunk: Buffer | string) => bytesPassed(chunk.length));
  source.pipe(sink);
  try {
    await finished(sink);
  } catch (error) {
    source.unpipe(sink);
    if (source instanceof IncomingMessage) source.resume();
    else source.destroy();
    throw error;
  }
}
