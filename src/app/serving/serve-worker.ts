// One of several processes of a data plane; processes.ts starts it and says what it serves.
import { runChild } from '../child.ts';
import { startServe } from '../serve.ts';
import type { Begin, Said, Told } from './processes.ts';

const waiting = new Map<number, (text: string) => void>();
let questions = 0;
let own: () => string = () => '';

const say = (said: Said): void => void (process.connected && process.send!(said, () => undefined));

/** The metrics of all processes, which only the one that watches them has. */
const scrape = (text: string): Promise<string> =>
  new Promise((resolve) => {
    const id = questions++;
    waiting.set(id, resolve);
    say({ scrape: { id, own: text } });
  });

const begun = Promise.withResolvers<Begin['begin']>();
process.on('message', (told: Told) => {
  if ('begin' in told) begun.resolve(told.begin);
  else if ('write' in told) say({ metrics: { id: told.write.id, own: own() } });
  else {
    waiting.get(told.scraped.id)?.(told.scraped.text);
    waiting.delete(told.scraped.id);
  }
});

await runChild(async () => {
  const { settings, options } = await begun.promise;
  const plane = await startServe(settings, { ...options, scrape });
  own = plane.metrics;
  return plane;
});
