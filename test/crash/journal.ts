// What the client was told, in a file that is flushed before the client goes on: the oracle of the crash tests.
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

/** Everything a client can have had acknowledged. */
export interface Acknowledgements {
  /** One batch of two metrics and a param at one step of a tracking run. */
  readonly batch: { readonly run: string; readonly step: number };
  readonly version: { readonly id: string; readonly number: number; readonly rows: number };
  /** A pipeline run that was asked for with a reason of its own. */
  readonly run: { readonly id: string; readonly reason: string };
  /** The same run, seen to have ended well. */
  readonly ended: { readonly id: string; readonly n: number; readonly pipeline: string };
  readonly release: { readonly id: string; readonly reason: string };
  readonly prediction: { readonly id: string; readonly x: number; readonly score: number };
  readonly artifact: { readonly path: string; readonly text: string };
}
export type Kind = keyof Acknowledgements;

export class Journal {
  readonly #fd: number;
  readonly #path: string;
  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'a');
  }
  note<K extends Kind>(kind: K, value: Acknowledgements[K]): void {
    writeSync(this.#fd, `${JSON.stringify([kind, value])}\n`);
    fsyncSync(this.#fd);
  }
  read<K extends Kind>(kind: K): Acknowledgements[K][] {
    return readFileSync(this.#path, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as [Kind, Acknowledgements[K]])
      .flatMap(([k, value]) => (k === kind ? [value] : []));
  }
  close(): void {
    closeSync(this.#fd);
  }
}
