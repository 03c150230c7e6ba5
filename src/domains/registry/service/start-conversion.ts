// A conversion is asked for here and done by a job; whoever asked looks at how far it is.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import type { Job } from '../../../kernel/jobs/jobs.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { hasUsers } from '../../access/public.ts';
import { currentVersion, versionByNumber } from '../../datasets/public.ts';
import { fail } from '../errors.ts';
import type { Conversion, ModelVersion } from '../model.ts';
import { findingsInWords, isRefused, worstOf } from '../scan/findings.ts';
import * as store from '../store/conversions.ts';
import { findVersion } from './versions.ts';

export interface StartConversion {
  readonly model: string;
  /** Number, alias or "latest". */
  readonly version: string;
  readonly tolerance: number;
  /** Rows that show that both are the same; absent = those of the version's evaluation. */
  readonly rows?: { readonly project: string; readonly dataset: string; readonly number: number | null };
}

/** 32-bit floats, which most converted models reckon with, have seven digits. */
export const DEFAULT_TOLERANCE = 1e-5;

export const convertible = ['sklearn', 'lightgbm', 'xgboost'] as const;
export type Convertible = (typeof convertible)[number];

export const flavorOf = (version: ModelVersion): Convertible | undefined =>
  // LightGBM and XGBoost inside a scikit-learn pipeline are scikit-learn's to load.
  (['sklearn', 'lightgbm', 'xgboost'] as const).find((flavor) => version.manifest?.flavors.includes(flavor));

/** Raises `model-version-not-found`, `version-unsealed`, `conversion-not-possible`, `model-code-not-trusted`, `dataset-version-not-found`. */
export async function startConversion(ctx: Ctx, asked: StartConversion, job: Job<{ conversion: string }>): Promise<Conversion> {
  const version = await findVersion(ctx, asked.model, asked.version);
  requireLevel(ctx, 'model', version.model, 'EDIT');
  await requireConvertible(ctx, version);
  const { rows } = asked;
  if (!rows && version.evidence.evaluation === undefined)
    refuse(
      version,
      'no rows are known that show that both answer the same: it has no evaluation, so name a dataset with its columns ("--on" of the command line, "dataset" of a request)',
    );
  const of =
    rows &&
    (rows.number === null
      ? await currentVersion(ctx, rows.project, rows.dataset)
      : await versionByNumber(ctx, rows.project, rows.dataset, rows.number));
  const conversion: Conversion = {
    id: newId('cnv', ctx.ids),
    model: version.model,
    versionId: version.id,
    versionNumber: version.number,
    to: 'onnx',
    state: 'running',
    doing: 'waiting for its turn',
    tolerance: asked.tolerance,
    rowsOf: of?.id ?? null,
    environment: null,
    sameness: null,
    loggedModelId: null,
    madeVersion: null,
    error: null,
    createdMs: ctx.clock.now(),
    finishedMs: null,
  };
  await ctx.tx(async (tx) => {
    await store.insertConversion(tx.db, tx.workspace, conversion);
    await tx.enqueue({ job, payload: { conversion: conversion.id }, uniqueKey: conversion.id });
    await tx.emit({
      type: 'model-conversion.started',
      subject: { kind: 'model-conversion', id: conversion.id },
      label: `conversion of ${version.model} version ${version.number}`,
      payload: { version: version.id, to: 'onnx' },
    });
  });
  return conversion;
}

const refuse = ({ model, number }: ModelVersion, why: string): never => fail('conversion-not-possible', { model, version: number, why });

/** Loading runs the model's code: refused where the policy on pickles or who may run code here says so. */
export async function requireConvertible(ctx: Ctx, version: ModelVersion): Promise<Convertible> {
  if (version.state !== 'sealed') return fail('version-unsealed', { model: version.model, version: version.number });
  if (version.manifest?.flavors.includes('onnx')) return refuse(version, 'it is an ONNX model already');
  const flavor = flavorOf(version);
  if (!flavor)
    return refuse(
      version,
      `its flavors are ${version.manifest?.flavors.join(', ') || 'not known'}; only ${convertible.join(', ')} can be converted`,
    );
  if (version.scan && isRefused(ctx.settings.picklePolicy, version.scan))
    return refuse(
      version,
      `loading it would run code that is ${worstOf(version.scan)}: ${findingsInWords(version.scan)}; GYRE_PICKLE_POLICY is "refuse"`,
    );
  if (!ctx.settings.trustProcessEngine && (await hasUsers(ctx.db))) return fail('model-code-not-trusted', {});
  return flavor;
}

/** Raises `conversion-not-found`. */
export async function getConversion(ctx: Ctx, model: string, id: string): Promise<Conversion> {
  requireLevel(ctx, 'model', model, 'READ');
  const found = await store.getConversion(ctx.db, ctx.workspace, id);
  return found?.model === model ? found : fail('conversion-not-found', { id });
}
