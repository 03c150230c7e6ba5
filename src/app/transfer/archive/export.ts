// Writes experiments into one file, read through the protocol that every client speaks.
import type { TakenModel } from '../../../domains/registry/public.ts';
import { sourceIdentity } from '../../../domains/transfers/public.ts';
import { openArchiveWriter, type ArchiveWriter } from '../../maintenance/archive/writer.ts';
import { FORMAT } from '../../maintenance/archive/format.ts';
import { programVersion } from '../../version.ts';
import { collect } from '../collect.ts';
import { fail } from '../errors.ts';
import { openHttp } from '../mlflow/http.ts';
import type { Login } from '../mlflow/server.ts';
import type { Owner, Source, SourceExperiment } from '../source.ts';
import { EXPORT_FORMAT, SCHEMA, toText, type About } from './layout.ts';

export interface ExportOptions {
  readonly login: Login;
  readonly workspace?: string | undefined;
  /** Names or ids; none = all. */
  readonly experiments: readonly string[];
  readonly models: boolean;
  readonly progress: (runs: number) => void;
}

export interface Exported {
  readonly file: string;
  readonly experiments: number;
  readonly runs: number;
  readonly loggedModels: number;
  readonly models: number;
  readonly files: number;
  readonly fileBytes: number;
}

/** Raises `export-nothing`, `target-not-empty`, `storage-full`. */
export async function exportTo(file: string, url: string, options: ExportOptions): Promise<Exported> {
  const source = openHttp({ url, login: options.login, workspace: options.workspace, origin: 'gyre' });
  const all = await source.experiments();
  const chosen =
    options.experiments.length === 0
      ? all
      : options.experiments.map(
          (given) => all.find((e) => e.name === given) ?? all.find((e) => e.id === given) ?? fail('export-nothing', { given }),
        );
  const writer = await openArchiveWriter(file, undefined, Date.now());
  try {
    const counts = await writeAll(writer, source, [...new Set(chosen)], options);
    const about: About = {
      export: EXPORT_FORMAT,
      identity: `gyre:${sourceIdentity(all)}`,
      place: source.place,
      experiments: [...new Set(chosen)],
      counts,
    };
    await put(writer, 'paths/about.json', toText(about));
    const fileBytes = await writer.finish({
      format: FORMAT,
      program: programVersion,
      createdAt: new Date().toISOString(),
      schema: SCHEMA,
      databaseOnly: false,
      from: 'sqlite',
      tables: [],
      events: null,
      blobs: { count: 0, bytes: 0 },
      paths: { count: writer.entries, bytes: writer.bytes },
      unreadable: [],
    });
    return { file, experiments: about.experiments.length, ...counts, fileBytes };
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

async function put(writer: ArchiveWriter, name: string, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  await writer.add(name, bytes.length, bytes);
}

async function writeAll(
  writer: ArchiveWriter,
  source: Source,
  experiments: readonly SourceExperiment[],
  options: ExportOptions,
): Promise<About['counts']> {
  const sum = { runs: 0, loggedModels: 0, models: 0, files: 0 };
  const exported = new Set<string>();
  const files = async (owner: Owner): Promise<void> => {
    for (const file of await collect((await source.artifacts(owner)) ?? none())) {
      await writer.add(`paths/files/${owner.kind}/${owner.of.id}/${file.path}`, file.sizeBytes, await file.open());
      sum.files += 1;
    }
  };
  for (const e of experiments) {
    for await (const run of source.runs(e)) {
      await put(writer, `paths/runs/${e.id}/${run.id}.json`, toText(run));
      const metrics = await collect(source.metrics(run));
      if (metrics.length > 0) await put(writer, `paths/points/${e.id}/${run.id}.jsonl`, metrics.map((m) => `${toText(m)}\n`).join(''));
      await files({ kind: 'run', of: run });
      exported.add(run.id);
      options.progress((sum.runs += 1));
    }
    for await (const model of source.loggedModels(e)) {
      await put(writer, `paths/logged-models/${e.id}/${model.id}.json`, toText(model));
      await files({ kind: 'logged-model', of: model });
      exported.add(model.id);
      sum.loggedModels += 1;
    }
  }
  if (options.models)
    for await (const model of source.models()) {
      const own = ofThese(model, exported);
      if (own.versions.length === 0) continue;
      await put(writer, `paths/models/${sum.models}.json`, toText(own));
      sum.models += 1;
    }
  return sum;
}

/** The model with those versions that come from what was exported, and the aliases of these. */
function ofThese(model: TakenModel, exported: ReadonlySet<string>): TakenModel {
  const versions = model.versions.filter((v) => exported.has(v.trackingRunId ?? '') || exported.has(v.loggedModelId ?? ''));
  const numbers = new Set(versions.map((v) => v.number));
  return { ...model, versions, aliases: model.aliases.filter((a) => numbers.has(a.number)) };
}

// oxlint-disable-next-line require-yield
async function* none(): AsyncGenerator<never> {}
