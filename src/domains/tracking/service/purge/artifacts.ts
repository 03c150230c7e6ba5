// The folders of what is purged. Only one that is its alone goes: a run's or logged model's has its id in the path, and an
// experiment's is the one that the server gave it.
import { sql } from 'kysely';
import type { Ctx } from '../../../../kernel/ctx.ts';
import type { RemovalRow } from '../../store/tables.ts';
import { experimentLocation, placeOf, type Place } from '../places.ts';

async function placeFor(ctx: Ctx, kind: RemovalRow['kind'], id: string, uri: string | null): Promise<Place | undefined> {
  if (uri === null) return undefined;
  if (kind === 'experiment') {
    if (uri !== experimentLocation(ctx, id) || (await isInside(ctx, id, uri))) return undefined;
  } else if (!new RegExp(`/${id}(/artifacts)?/?$`).test(uri.split('?')[0]!)) return undefined;
  const place = await placeOf(ctx, uri);
  if (place === undefined || place.path === '') return undefined;
  const own = place.path.replace(/\/artifacts\/?$/, '');
  return { zone: place.zone, path: kind === 'experiment' || own === '' ? place.path : own };
}

/** Another experiment may have named a place within. */
async function isInside(ctx: Ctx, id: string, uri: string): Promise<boolean> {
  const root = `${uri.replace(/\/+$/, '')}/`;
  const { rows } = await sql`select 1 from experiments where workspace_id = ${ctx.workspace} and id <> ${id}
    and substr(artifact_location, 1, ${root.length}) = ${root} limit 1`.execute(ctx.db);
  return rows.length > 0;
}

/** How much lies there; undefined if it is not ours to remove. */
export async function measure(
  ctx: Ctx,
  kind: RemovalRow['kind'],
  id: string,
  uri: string | null,
): Promise<{ files: number; bytes: number } | undefined> {
  const place = await placeFor(ctx, kind, id, uri);
  if (place === undefined) return undefined;
  const found = { files: 0, bytes: 0 };
  for await (const file of place.zone.walk(place.path)) {
    found.files++;
    found.bytes += file.sizeBytes;
  }
  return found;
}

export async function removeArtifacts(ctx: Ctx, kind: RemovalRow['kind'], id: string, uri: string | null): Promise<void> {
  const place = await placeFor(ctx, kind, id, uri);
  if (place !== undefined) await place.zone.remove(place.path);
}
