// The environment that a run left on record: Python's version and packages, from tags and from the files that MLflow and
// "gyre run" put beside what they log.
import { findBlobs } from '../../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../../kernel/ctx.ts';
import { isProblem } from '../../../../kernel/errors.ts';
import { atLeast, levelOf } from '../../../../kernel/levels.ts';
import type { Pair, TrackingRun } from '../../model.ts';
import { getLoggedModel, listModelFiles } from '../../store/logged-models.ts';
import type { LinkRow } from '../../store/tables.ts';
import { artifactPlace, checkArtifact } from '../artifacts.ts';
import { pathOfUri } from '../places.ts';

export interface RecordedEnvironment {
  readonly python: string | null;
  /** Versions by the name of the package; null where only the name is on record. */
  readonly packages: Readonly<Record<string, string | null>>;
  /** Where this is from; empty if nothing is on record. */
  readonly from: readonly string[];
}

const LARGEST = 200_000;
const MOST_MODELS = 5;
const FILES = ['requirements.txt', 'python_env.yaml', 'conda.yaml'] as const;

export async function environmentOf(
  ctx: Ctx,
  run: TrackingRun,
  tags: readonly Pair[],
  links: readonly LinkRow[],
): Promise<RecordedEnvironment> {
  const tag = (key: string): string | undefined => tags.find((t) => t.key === key)?.value;
  const from: string[] = [];
  const texts: Partial<Record<(typeof FILES)[number], string>> = {};
  const take = async (where: string, read: (name: string) => Promise<string | undefined>): Promise<void> => {
    for (const name of FILES) {
      if (texts[name] !== undefined) continue;
      const text = await read(name);
      if (text === undefined) continue;
      texts[name] = text;
      from.push(`${where}/${name}`);
    }
  };
  await take('gyre', (name) => artifact(ctx, run.artifactUri, `gyre/${name}`));
  for (const { model_id: id } of links.filter((l) => l.role === 'output').slice(0, MOST_MODELS)) {
    const model = await getLoggedModel(ctx.db, ctx.workspace, id);
    // A run may name any model as its own.
    if (!model || !atLeast(levelOf(ctx, 'experiment', model.experimentId), 'READ')) continue;
    const sealed = new Map((await listModelFiles(ctx.db, ctx.workspace, id)).map((f) => [f.path, f]));
    await take(id, (name) => (sealed.size > 0 ? blob(ctx, sealed.get(name)) : artifact(ctx, model.artifactUri, name)));
  }
  for (const folder of foldersIn(tag('mlflow.log-model.history')).slice(0, MOST_MODELS))
    await take(folder, (name) => artifact(ctx, run.artifactUri, `${folder}/${name}`));
  const python = tag('gyre.python.version');
  if (python) from.unshift('tag gyre.python.version');
  return {
    python:
      python ??
      /^python:\s*['"]?([\w.]+)/m.exec(texts['python_env.yaml'] ?? '')?.[1] ??
      /^\s*-\s*python=+([\w.]+)/m.exec(texts['conda.yaml'] ?? '')?.[1] ??
      null,
    packages: packagesIn(texts['requirements.txt'] ?? pipPart(texts['conda.yaml'])),
    from,
  };
}

/** The folders of models that MLflow 2 logged. */
function foldersIn(history: string | undefined): string[] {
  try {
    const entries = JSON.parse(history ?? '[]') as unknown;
    return (Array.isArray(entries) ? entries : []).flatMap((e: { artifact_path?: unknown }) =>
      typeof e?.artifact_path === 'string' ? [e.artifact_path] : [],
    );
  } catch {
    return [];
  }
}

async function artifact(ctx: Ctx, uri: string, path: string): Promise<string | undefined> {
  try {
    // Its place may be another experiment's by name; nobody gets into that by it.
    const proxied = pathOfUri('', uri);
    if (proxied !== undefined) await checkArtifact(ctx, `${proxied}/${path}`, 'READ');
    const place = await artifactPlace(ctx, uri, path);
    if (!place) return undefined;
    const { stream, sizeBytes } = await place.zone.open(place.path);
    if (sizeBytes > LARGEST) return void stream.destroy();
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    return Buffer.concat(parts).toString('utf8');
  } catch (error) {
    if (isProblem(error)) return undefined;
    throw error;
  }
}

async function blob(ctx: Ctx, file: { digest: string; size_bytes: number } | undefined): Promise<string | undefined> {
  if (!file || file.size_bytes > LARGEST) return undefined;
  // It may have been erased.
  const entry = (await findBlobs(ctx.db, ctx.workspace, [file.digest])).get(file.digest);
  return entry && (await ctx.blobs.read(entry)).toString('utf8');
}

const pipPart = (conda = ''): string => /^\s*-\s*pip:\s*$([^]*)/m.exec(conda)?.[1]?.replaceAll(/^\s*-\s*/gm, '') ?? '';

/** Lines of requirements.txt; names as PEP 503 compares them. */
export function packagesIn(text: string): Record<string, string | null> {
  const found = new Map<string, string | null>();
  for (const line of text.split('\n')) {
    const match = /^\s*([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*(?:(===?|[<>~!]=?|@)\s*([^;#\s]*[^;#]*?))?\s*(?:[;#].*)?$/.exec(line);
    if (!match) continue;
    const [, name = '', how, version] = match;
    found.set(
      name.toLowerCase().replaceAll(/[-_.]+/g, '-'),
      how === undefined ? null : how.startsWith('==') ? version! : `${how}${version}`,
    );
  }
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}
