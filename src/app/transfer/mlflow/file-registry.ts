// The registry in a folder of MLflow: one folder for each model, one in it for each version.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TakenModel, TakenVersion } from '../../../domains/registry/public.ts';
import { pairsIn, readMeta, type Meta } from './folder.ts';
import { isDeletedVersion, loggedModelIn, stageOf, text, textOrNull } from './words.ts';

type OrNote = <T>(what: string, read: () => T) => T[];

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);

const toVersion = (folder: string, number: number, meta: Meta): TakenVersion => ({
  number,
  createdMs: Number(meta.creation_timestamp ?? 0),
  updatedMs: Number(meta.last_updated_timestamp ?? meta.creation_timestamp ?? 0),
  description: textOrNull(meta.description),
  stage: stageOf(meta.current_stage),
  source: text(meta.source),
  location: textOrNull(meta.storage_location),
  trackingRunId: textOrNull(meta.run_id),
  loggedModelId: textOrNull(meta.model_id) ?? loggedModelIn(meta.source, meta.storage_location),
  runLink: textOrNull(meta.run_link),
  tags: pairsIn(join(folder, 'tags')),
});

export function* readModels(root: string, orNote: OrNote): Generator<TakenModel> {
  for (const name of namesIn(root)) {
    const folder = join(root, name);
    if (!existsSync(join(folder, 'meta.yaml'))) continue;
    yield* orNote(folder, () => {
      const meta = readMeta(folder);
      const versions = namesIn(folder).flatMap((entry) => {
        const number = Number(/^version-(\d+)$/.exec(entry)?.[1] ?? 0);
        return number === 0
          ? []
          : orNote(join(folder, entry), () => ({ number, folder: join(folder, entry), meta: readMeta(join(folder, entry)) }));
      });
      // Older ones have the aliases only in the model's own file.
      const files = join(folder, 'aliases');
      const aliases = existsSync(files)
        ? namesIn(files).map((alias) => [alias, readFileSync(join(files, alias), 'utf8')] as const)
        : Object.entries((meta.aliases ?? {}) as Record<string, unknown>);
      const createdMs = Number(meta.creation_timestamp ?? 0);
      return {
        name: text(meta.name) || name,
        description: text(meta.description),
        createdMs,
        updatedMs: Number(meta.last_updated_timestamp ?? createdMs),
        lastNumber: Math.max(0, ...versions.map((v) => v.number)),
        tags: pairsIn(join(folder, 'tags')),
        aliases: aliases.map(([alias, number]) => ({ alias, number: Number(text(number).trim()) })),
        versions: versions
          .filter((v) => !isDeletedVersion(v.meta.current_stage))
          .map((v) => toVersion(v.folder, v.number, v.meta))
          .sort((a, b) => a.number - b.number),
      };
    });
  }
}
