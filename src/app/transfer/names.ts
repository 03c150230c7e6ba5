// What a person asks of an import, and the names and places that change on the way.
import type { Progress } from './tally.ts';
import type { Became } from './target.ts';

export interface Names {
  /** One experiment takes all runs. */
  readonly into: string | undefined;
  /** Of experiments and registered models, from their names at the source. */
  readonly rename: ReadonlyMap<string, string>;
}

export type ArtifactMode = 'copy' | 'link' | 'none';

export interface TakeOverOptions {
  readonly artifacts: ArtifactMode;
  readonly names: Names;
  readonly progress: Progress;
}

const idOf = (ids: ReadonlyMap<string, Became>, id: string): string => ids.get(id)?.targetId ?? id;

/**
 * The source of a model version as it is found here. A place in the source's store becomes the run or logged model whose
 * place it is, for the files lie elsewhere now; what is of neither stays as it is.
 */
export function sourceHere(
  source: string,
  runs: ReadonlyMap<string, Became>,
  models: ReadonlyMap<string, Became>,
  { rename }: Names,
): string {
  const model = /^models:\/+(m-[0-9a-f]{32})\/?$|\/models\/(m-[0-9a-f]{32})\/artifacts\/?$/.exec(source);
  const modelId = model && (model[1] ?? model[2]!);
  if (modelId && models.has(modelId)) return `models:/${idOf(models, modelId)}`;
  const run = /^runs:\/+([^/]+)\/+(.+)$|\/([0-9a-zA-Z_-]+)\/artifacts\/+(.+)$/.exec(source);
  const [runId, path] = [run?.[1] ?? run?.[3], run?.[2] ?? run?.[4]];
  if (runId !== undefined && runs.has(runId)) return `runs:/${idOf(runs, runId)}/${path!.replace(/\/+$/, '')}`;
  const copied = /^models:\/+([^/@]+)([/@].+)$/.exec(source);
  return copied ? `models:/${rename.get(copied[1]!) ?? copied[1]!}${copied[2]!}` : source;
}
