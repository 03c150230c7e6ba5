// Sealing: a version's files are in the immutable zone, its model loads, and its inputs fit what it is given.
import { join } from 'node:path';
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail as failAny, isProblem } from '../../../kernel/errors.ts';
import { validateModel } from '../../serving/public.ts';
import { filesDigest, getLoggedModel, modelFiles, placeOf, storeFolder } from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import { signatureFaults, type Column, type ModelVersion, type Signature } from '../model.ts';
import * as store from '../store/versions.ts';
import { sealedFolder, type SealedFile } from './sealed-files.ts';
import { locate } from './sources.ts';

export interface Requirements {
  /** Output that must hold the scores. */
  readonly score?: string | null;
  /** Columns that the model will be given: its inputs must be among them. */
  readonly columns?: readonly Column[];
}

export interface Inspected {
  readonly files: readonly (SealedFile & { readonly sizeBytes: number })[];
  /** Null when it cannot be sealed, and then `because` says why. */
  readonly signature: Signature | null;
  readonly because: string | null;
}

/**
 * Looks at the files behind a version. A file that does not load is refused, and so is a model that does not
 * fit; what simply is not there, or is of a kind nothing here can serve, is left unsealed with the reason.
 * Raises `onnx-unreadable`, `model-signature-mismatch`, and for `strict` also `onnx-signature-unsupported`.
 */
export async function inspect(
  ctx: Ctx,
  of: { name: string; loggedModelId: string | null; source: string },
  needs: Requirements,
  strict: boolean,
): Promise<Inspected> {
  const files = await filesBehind(ctx, of);
  const unsealed = (because: string): Inspected => ({ files, signature: null, because });
  if (files.length === 0) return unsealed('there are no files at its source that this server can read');
  if (!files.some((f) => f.path === 'model.onnx')) return unsealed('it has no model.onnx, and only ONNX models can be served');
  let signature: Signature;
  try {
    signature = await validateModel(join(ctx.settings.dir, await sealedFolder(ctx, files)), {
      signal: ctx.signal,
      ...(needs.score ? { score: needs.score } : {}),
    });
  } catch (error) {
    if (!strict && isProblem(error, 'onnx-signature-unsupported')) return unsealed(error.message);
    throw error;
  }
  const faults = needs.columns ? signatureFaults(signature, needs.columns) : [];
  if (faults.length > 0) fail('model-signature-mismatch', { model: of.name, faults });
  return { files, signature, because: null };
}

// A logged model that is ready has its files sealed already; other sources in our own store are sealed now.
async function filesBehind(ctx: Ctx, of: { loggedModelId: string | null; source: string }): Promise<Inspected['files']> {
  if (of.loggedModelId !== null) {
    await getLoggedModel(ctx, of.loggedModelId);
    return (await modelFiles(ctx, of.loggedModelId)).map((f) => ({ path: f.path, digest: f.digest, sizeBytes: f.size_bytes }));
  }
  const root = await placeOf(ctx, await locate(ctx, of.source));
  if (root === undefined) return [];
  return storeFolder(ctx, root, async (_tx, files) => files);
}

/** Seals a version whose files have come. Raises `model-not-loadable`, `conflict` and what `inspect` raises. */
export async function seal(ctx: Ctx, version: ModelVersion, needs: Requirements): Promise<ModelVersion> {
  if (version.state === 'sealed') return version;
  const found = await inspect(ctx, { ...version, name: `${version.model} version ${version.number}` }, needs, true);
  const { signature } = found;
  if (!signature) return fail('model-not-loadable', { model: `${version.model} version ${version.number}`, why: found.because! });
  return ctx.tx(async (tx) => {
    const sealed = { ...version, signature, digest: filesDigest(found.files), updatedMs: tx.clock.now() };
    if (!(await store.sealVersion(tx.db, tx.workspace, sealed))) failAny('conflict', { kind: 'model version', id: version.id });
    await store.insertVersionFiles(tx.db, tx.workspace, version.id, found.files);
    await tx.emit({
      type: 'model-version.sealed',
      subject: { kind: 'model-version', id: version.id },
      label: `${version.model} version ${version.number}`,
      payload: { model: version.model, number: version.number, digest: sealed.digest },
    });
    return (await store.getVersion(tx.db, tx.workspace, version.id))!;
  });
}
