// Entry of a process that holds one model (see process-session.ts): session-process.ts FILE.
import { loadModelBytes } from './model-file.ts';
import { openNative, type EngineTensors } from './native-session.ts';
import type { FromProcess, ToProcess } from './process-session.ts';

const tell = (message: FromProcess): void => void process.send!(message, () => undefined);
const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

// Tensors of the runtime are objects of a class, which the channel would not send as such.
const plain = (results: EngineTensors): EngineTensors =>
  Object.fromEntries(
    Object.entries(results).map(([name, { type, dims, data }]) => [
      name,
      { type, dims, data: data instanceof Float16Array ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data },
    ]),
  );

// A terminal and a container send a signal to everybody. Whoever started this process lets it finish what it has, and then leaves.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.once('disconnect', () => process.exit(0));
try {
  const { inputMetadata, outputMetadata, runNow } = openNative(loadModelBytes(process.argv[2]!));
  process.on('message', (sent) => {
    const { n, feeds, outputs } = sent as ToProcess;
    try {
      tell({ n, results: plain(runNow!(feeds, outputs)) });
    } catch (error) {
      tell({ n, error: wordsOf(error) });
    }
  });
  tell({ ready: { inputMetadata, outputMetadata } });
} catch (error) {
  process.send!({ refused: wordsOf(error) } satisfies FromProcess, () => process.exit(1));
}
