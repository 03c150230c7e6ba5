// Who uses a model: the endpoints that follow it, as the projects declare them, and the versions that are served.
import type { Ctx } from '../../../kernel/ctx.ts';
import { currentRevision, listProjectNames, type ProjectDefinition } from '../../projects/public.ts';
import type { Gate } from '../model.ts';
import * as lifecycle from '../store/lifecycle.ts';
import { findModel } from '../store/models.ts';

export interface Uses {
  /** Endpoints that serve the model, by name; they follow its champion. */
  readonly followers: readonly string[];
  readonly gates: readonly Gate[];
  /** Output of the model that holds the score. */
  readonly score: string | null;
  /** Project that declares the model. */
  readonly project: string | null;
}

/**
 * What the projects say of a model. The project that registered it goes first; a model that a client made by
 * itself is still the one that a project declares by its name.
 */
export async function usesOf(ctx: Ctx, model: string): Promise<Uses> {
  const own = (await findModel(ctx.db, ctx.workspace, model))?.project ?? undefined;
  const others = (await listProjectNames(ctx)).filter((name) => name !== own).sort();
  const definitions: ProjectDefinition[] = [];
  for (const name of [...(own === undefined ? [] : [own]), ...others]) definitions.push((await currentRevision(ctx, name)).definition);
  const declaring = definitions.find((d) => Object.hasOwn(d.models, model));
  const declared = declaring?.models[model];
  return {
    followers: definitions.flatMap((d) => Object.values(d.endpoints).flatMap((e) => (e.model === model ? [e.name] : []))).sort(),
    gates: declared?.gates ?? [],
    score: declared?.score ?? null,
    project: declaring?.project ?? null,
  };
}

/** Says that a holder (an endpoint) serves these versions, besides those it held: nobody deletes them. Inside a transaction. */
export const holdVersions = (tx: Ctx, holder: string, versionIds: readonly string[]): Promise<void> =>
  lifecycle.addHolds(tx.db, tx.workspace, holder, versionIds);

/** Leaves a holder with these versions only. Inside a transaction. */
export async function keepVersions(tx: Ctx, holder: string, versionIds: readonly string[]): Promise<void> {
  await lifecycle.dropHolds(tx.db, tx.workspace, holder, versionIds);
}
