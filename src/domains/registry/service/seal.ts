// Sealing: a version's files are in the immutable zone, what they would run is known, and where there is an ONNX
// file it loads and its inputs fit what it is given.
import { join } from 'node:path';
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { fail as failAny, isProblem } from '../../../kernel/errors.ts';
import { columnSignature, parseMlmodel, requireScore, validateModel } from '../../serving/public.ts';
import { filesDigest, getLoggedModel, modelFiles, placeOf, storeFolder } from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import { signatureFaults, type Column, type Manifest, type ModelVersion, type Signature } from '../model.ts';
import { scanFiles } from '../scan/scan.ts';
import { findingsInWords, isRefused, worstOf, type Scan } from '../scan/findings.ts';
import * as store from '../store/versions.ts';
import { readManifest, readMlmodel } from './manifest.ts';
import { sealedFolder, type SealedFile } from './sealed-files.ts';
import { isWithin, resolveSource, rootsOf } from './sources.ts';

export interface Requirements {
  /** Output that must hold the scores. */
  readonly score?: string | null;
  /** Columns that the model will be given: its inputs must be among them. */
  readonly columns?: readonly Column[];
}

type SizedFile = SealedFile & { readonly sizeBytes: number };

/** What a version is of. */
export interface Origin {
  readonly name: string;
  readonly source: string;
  readonly loggedModelId: string | null;
  readonly trackingRunId: string | null;
}

export interface Inspected {
  readonly files: readonly SizedFile[];
  /** Why it cannot be sealed; null if it can. */
  readonly because: string | null;
  /** Of the ONNX file; null when nothing here can serve it, and then `unservableBecause` says why. */
  readonly signature: Signature | null;
  readonly unservableBecause: string | null;
  readonly manifest: Manifest | null;
  readonly scan: Scan | null;
  /** The sealed version that these files are of, if it is a copy. */
  readonly copyOf: ModelVersion | null;
}

/** Nothing to seal, and why. */
export const notSealed = (because: string): Inspected => ({
  files: [],
  because,
  signature: null,
  unservableBecause: null,
  manifest: null,
  scan: null,
  copyOf: null,
});

/**
 * Looks at the files behind a version. A file that does not load is refused, and so is a model that does not
 * fit; what is not there is left unsealed with the reason, and what is of a kind that nothing here can serve is
 * sealed and says so. Raises `onnx-unreadable`, `model-signature-mismatch`, and for `strict` also
 * `onnx-signature-unsupported`.
 */
export async function inspect(ctx: Ctx, of: Origin, needs: Requirements, strict: boolean): Promise<Inspected> {
  const { files, because, copyOf } = await filesBehind(ctx, of);
  const nothing = { files, copyOf, signature: null, unservableBecause: null, manifest: null, scan: null };
  if (because !== null) return { ...nothing, because };
  const scan = await scanFiles(ctx, files);
  if (isRefused(ctx.settings.picklePolicy, scan))
    return {
      ...nothing,
      scan,
      because: `loading it would run code that is ${worstOf(scan)}: ${findingsInWords(scan)}; GYRE_PICKLE_POLICY is "refuse"`,
    };
  const found = { ...nothing, scan, manifest: await readManifest(ctx, files), because: null };
  const unservable = (why: string): Inspected => ({ ...found, unservableBecause: why });
  const isOnnx = files.some((f) => f.path === 'model.onnx');
  const python = isOnnx ? '' : await pythonSignature(ctx, files);
  if (!isOnnx && typeof python === 'string') return unservable(python);
  let signature: Signature;
  try {
    if (typeof python === 'string')
      signature = await validateModel(join(ctx.settings.dir, await sealedFolder(ctx, files)), {
        signal: ctx.signal,
        ...(needs.score ? { score: needs.score } : {}),
      });
    else {
      if (needs.score) requireScore(python, needs.score);
      signature = { inputs: python.inputs, outputs: python.outputs };
    }
  } catch (error) {
    if (!strict && isProblem(error, 'onnx-signature-unsupported')) return unservable(error.message);
    throw error;
  }
  const faults = needs.columns ? signatureFaults(signature, needs.columns) : [];
  if (faults.length > 0) fail('model-signature-mismatch', { model: of.name, faults });
  return { ...found, signature };
}

// What the MLmodel file says: nothing of the model is run to seal it.
async function pythonSignature(ctx: Ctx, files: Inspected['files']): Promise<ReturnType<typeof columnSignature>> {
  const mlmodel = await readMlmodel(ctx, files);
  if (mlmodel === null) return 'it has no model.onnx and no MLmodel file';
  try {
    return columnSignature(parseMlmodel(mlmodel));
  } catch (error) {
    if (isProblem(error, 'python-model-unreadable')) return error.message;
    throw error;
  }
}

interface Behind {
  readonly files: Inspected['files'];
  readonly because: string | null;
  readonly copyOf: ModelVersion | null;
}

// A logged model that is ready, and a version that is sealed, have their files here already; other sources that
// can be read are sealed now.
async function filesBehind(ctx: Ctx, of: Origin): Promise<Behind> {
  const behind = (files: Inspected['files'], copyOf: ModelVersion | null = null): Behind => ({
    files,
    copyOf,
    because: files.length > 0 ? null : 'there are no files at its source that this server can read',
  });
  const { location, version } = await resolveSource(ctx, of.source);
  if (version?.state === 'sealed')
    return behind(
      (await store.listVersionFiles(ctx.db, ctx.workspace, version.id)).map((f) => ({
        path: f.path,
        digest: f.digest,
        sizeBytes: f.size_bytes,
      })),
      version,
    );
  if (of.loggedModelId !== null) {
    const model = await getLoggedModel(ctx, of.loggedModelId);
    if (isWithin(location, model.artifactUri) === '')
      return behind((await modelFiles(ctx, model.id)).map((f) => ({ path: f.path, digest: f.digest, sizeBytes: f.size_bytes })));
  }
  const place = await placeOf(ctx, location);
  if (place === undefined) return behind([]);
  // Whoever registers a version must not come at files of runs that it has nothing to do with.
  if (!(await isOwn(ctx, of, location)))
    return { files: [], copyOf: null, because: 'its source is not in the artifacts of the run or logged model that it names' };
  return behind(await storeFolder(ctx, place, async (_tx, files) => files));
}

async function isOwn(ctx: Ctx, of: Origin, location: string): Promise<boolean> {
  // These name it themselves, and whoever may not read it was refused when they were followed.
  if (/^(runs|models):/.test(of.source)) return true;
  for (const root of await rootsOf(ctx, of)) if (isWithin(location, root) !== undefined) return true;
  return false;
}

/** Seals a version whose files have come. Raises `model-not-loadable`, `conflict` and what `inspect` raises. */
export async function seal(ctx: Ctx, version: ModelVersion, needs: Requirements): Promise<ModelVersion> {
  requireLevel(ctx, 'model', version.model, 'EDIT');
  if (version.state === 'sealed') return version;
  const name = `${version.model} version ${version.number}`;
  const found = await inspect(ctx, { ...version, name }, needs, true);
  if (found.because !== null) return fail('model-not-loadable', { model: name, why: found.because });
  return ctx.tx(async (tx) => {
    const sealed = { ...version, ...sealedParts(found), updatedMs: tx.clock.now() };
    if (!(await store.sealVersion(tx.db, tx.workspace, sealed))) {
      // Somebody else was quicker, perhaps the job that seals what waited.
      const now = await store.getVersion(tx.db, tx.workspace, version.id);
      return now?.state === 'sealed' ? now : failAny('conflict', { kind: 'model version', id: version.id });
    }
    await recordSealed(tx, sealed, found);
    await tx.emit({
      type: 'model-version.sealed',
      subject: { kind: 'model-version', id: version.id },
      label: name,
      payload: { model: version.model, number: version.number, digest: sealed.digest },
    });
    return (await store.getVersion(tx.db, tx.workspace, version.id))!;
  });
}

/** What sealing says of a version. */
export const sealedParts = (found: Inspected) => ({
  signature: found.signature,
  unservableBecause: found.unservableBecause,
  manifest: found.manifest,
  scan: found.scan,
  digest: filesDigest(found.files),
});

/** Rows beside a version that is sealed: its files. What they would run is logged if the policy wants it. Inside a transaction. */
export async function recordSealed(tx: Ctx, version: ModelVersion, found: Inspected): Promise<void> {
  await store.insertVersionFiles(tx.db, tx.workspace, version.id, found.files);
  const { scan } = found;
  if (!scan?.executesOnLoad || tx.settings.picklePolicy !== 'warn' || worstOf(scan) === 'safe') return;
  const { model, number } = version;
  tx.log.warn({ event: 'registry.executes-on-load', model, version: number, verdict: worstOf(scan), found: findingsInWords(scan) });
}
