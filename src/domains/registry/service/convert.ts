// A version of scikit-learn, LightGBM or XGBoost becomes an ONNX version that answers the same, or nothing is registered.
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem, toProblemDocument } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { whenNeeded } from '../../../kernel/process/when-needed.ts';
import { lockRequirements, realiseEnvironment } from '../../environments/public.ts';
import { createLoggedModel, finishLoggedModel, getLoggedModel, pathOfUri } from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import type { Conversion, DerivedFrom, ModelVersion, Sameness } from '../model.ts';
import * as store from '../store/conversions.ts';
import { getEvaluation } from '../store/evaluations.ts';
import { findVersionOfLogged } from '../store/versions.ts';
import { compareAnswers, packagesFor, proofRows, runConverter, type Converted } from './converter.ts';
import { decide } from './decide.ts';
import { evaluateOnSameRows } from './evaluate.ts';
import { requireConvertible } from './start-conversion.ts';
import { usesOf } from './uses.ts';
import { getVersion, registerVersion, versionFolder } from './versions.ts';

const yaml = whenNeeded<typeof import('yaml')>('yaml');

/** The job of a conversion; what is done again after a crash registers no second version. */
export async function convert(ctx: Ctx, id: string): Promise<void> {
  const conversion = await store.getConversion(ctx.db, ctx.workspace, id);
  if (conversion?.state !== 'running') return;
  const folder = join(ctx.settings.dir, 'compute', 'made', `convert-${randomBytes(8).toString('hex')}`);
  await mkdir(folder, { recursive: true });
  try {
    const made = await perform(ctx, conversion, folder);
    await end(ctx, conversion, { state: 'succeeded', doing: 'done', madeVersion: made.number });
  } catch (error) {
    if (ctx.signal.aborted || !isProblem(error)) throw error;
    await end(ctx, conversion, { state: 'failed', doing: 'failed', error: toProblemDocument(error, id) as Record<string, unknown> });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const end = (ctx: Ctx, { id, model, versionId }: Conversion, to: store.ConversionChange): Promise<void> =>
  ctx.tx(async (tx) => {
    if (!(await store.updateConversion(tx.db, tx.workspace, id, { ...to, finishedMs: tx.clock.now() }))) return;
    await tx.emit({
      type: 'model-conversion.finished',
      subject: { kind: 'model-conversion', id },
      label: `conversion of ${model}`,
      payload: { version: versionId, state: to.state },
    });
  });

async function perform(ctx: Ctx, conversion: Conversion, folder: string): Promise<ModelVersion> {
  const version = await getVersion(ctx, conversion.versionId);
  const broken = (why: string): never => fail('conversion-failed', { model: version.model, version: version.number, why });
  const say = (doing: string, also: store.ConversionChange = {}): Promise<unknown> =>
    ctx.tx((tx) => store.updateConversion(tx.db, tx.workspace, conversion.id, { doing, ...also }));
  const flavor = await requireConvertible(ctx, version);
  const source = join(ctx.settings.dir, await versionFolder(ctx, version));

  await say('finding packages that fit the model’s');
  const needs =
    (await packagesFor(ctx, version, source)) ??
    broken('nothing says which packages it needs: it has neither an environment nor a requirements.txt');
  const locked = await lockRequirements(ctx, needs.requirements, 'convert.lock', needs.python).catch((error: unknown) => {
    if (!isProblem(error, 'environment-unresolvable')) throw error;
    return broken(`no version of the converters fits the packages of the model. ${error.message}`);
  });
  await say('making the environment', { environment: locked.resolved.digest });
  const { bin } = await realiseEnvironment(ctx, locked.resolved, locked.text, 'convert.lock');

  const rows = await proofRows(ctx, conversion, version, join(folder, 'rows.ndjson'));
  await say(`converting, and asking the model for ${rows.rows} rows`);
  const uses = await usesOf(ctx, version.model);
  const conf = (yaml().parse(await readFile(join(source, 'MLmodel'), 'utf8')) as { flavors: Record<string, object> }).flavors[flavor];
  const spec = { model: source, flavor, conf, rows: rows.path, columns: rows.columns.map((c) => [c.name, c.type]), score: uses.score };
  const made = await runConverter(ctx, bin, folder, spec, (text) =>
    ctx.log.warn({ event: 'registry.converter', conversion: conversion.id, text }),
  );
  if (!made.ok) return broken(made.why);

  await say(`comparing both on ${rows.rows} rows`);
  const { same, ...sameness } = await compareAnswers(ctx, folder, rows, made, conversion.tolerance).catch((error: unknown) => {
    if (!isProblem(error)) throw error;
    return broken(`the converted model cannot be served: ${error.message}`);
  });
  await say('registering', { sameness });
  if (!same) refuseDifferent(version, sameness);
  return register(ctx, { ...conversion, environment: locked.resolved.digest }, version, {
    ...made,
    folder,
    sameness,
    lock: locked.resolved.lockDigest,
  });
}

function refuseDifferent({ model, number }: ModelVersion, s: Sameness): never {
  return fail('conversion-differs', {
    model,
    version: number,
    rows: s.rows,
    tolerance: s.tolerance,
    maxDifference: s.maxDifference,
    labels: s.differingLabels,
    row: s.worst?.row ?? 0,
    source: s.worst?.source ?? '',
    converted: s.worst?.converted ?? '',
  });
}

type Made = Extract<Converted, { ok: true }> & { readonly folder: string; readonly sameness: Sameness; readonly lock: string };

async function register(ctx: Ctx, conversion: Conversion, version: ModelVersion, made: Made): Promise<ModelVersion> {
  const before = conversion.loggedModelId;
  const loggedModelId = before ?? (await logConverted(ctx, conversion, version, made));
  failpoint('registry.after-converted');
  const registered = await findVersionOfLogged(ctx.db, ctx.workspace, version.model, loggedModelId);
  if (registered) return registered;
  const logged = await getLoggedModel(ctx, loggedModelId);
  // The same rows with the same labels, scored by what would be served: the gates judge this one by itself.
  const evaluated = version.evidence.evaluation ? await getEvaluation(ctx.db, ctx.workspace, version.evidence.evaluation) : undefined;
  const evaluation = evaluated ? await evaluateOnSameRows(ctx, { ...evaluated, score: made.score }, loggedModelId) : undefined;
  const derivedFrom: DerivedFrom = {
    version: version.id,
    number: version.number,
    digest: version.digest,
    conversion: conversion.id,
    rows: made.sameness.rows,
    maxDifference: made.sameness.maxDifference,
    tolerance: made.sameness.tolerance,
  };
  const { evaluation: _, ...evidence } = version.evidence;
  const derived = await registerVersion(ctx, {
    model: version.model,
    loggedModelId,
    source: logged.artifactUri,
    trackingRunId: version.trackingRunId,
    score: made.score,
    description: `Version ${version.number} as ONNX`,
    tags: [{ key: 'gyre.derived_from', value: `${version.model}/${version.number}` }],
    evidence: {
      ...evidence,
      environment: { digest: conversion.environment!, lockDigest: made.lock },
      ...(evaluation ? { evaluation: evaluation.id } : {}),
      derivedFrom,
    },
    baseline: version.baseline,
  });
  if (evaluation) await decide(ctx, derived, (await usesOf(ctx, version.model)).gates);
  return derived;
}

/** Logs the ONNX file beside the model it came from, as MLflow's onnx flavor lays it out, so that its client loads it too. */
async function logConverted(ctx: Ctx, conversion: Conversion, version: ModelVersion, made: Made): Promise<string> {
  const from = version.loggedModelId === null ? null : await getLoggedModel(ctx, version.loggedModelId);
  const model = await createLoggedModel(ctx, {
    experimentId: from?.experimentId ?? '0',
    name: `${from?.name ?? 'model'}-onnx`,
    modelType: '',
    sourceRunId: version.trackingRunId,
    params: [],
    tags: [{ key: 'gyre.derived_from', value: version.id }],
  });
  const signature = version.manifest?.signature;
  const mlmodel = {
    flavors: {
      onnx: { code: null, data: 'model.onnx', onnx_version: made.onnx, providers: ['CPUExecutionProvider'] },
      python_function: { loader_module: 'mlflow.onnx', data: 'model.onnx', env: { virtualenv: 'python_env.yaml' } },
    },
    model_id: model.id,
    ...(signature ? { signature } : {}),
  };
  const root = pathOfUri(ctx.workspace, model.artifactUri)!;
  const files: readonly (readonly [string, Readable])[] = [
    ['model.onnx', createReadStream(join(made.folder, 'model.onnx'))],
    ['MLmodel', Readable.from([Buffer.from(yaml().stringify(mlmodel))])],
    ['requirements.txt', Readable.from([Buffer.from(`onnx==${made.onnx}\nonnxruntime\n`)])],
    ['python_env.yaml', Readable.from([Buffer.from('dependencies:\n- -r requirements.txt\n')])],
  ];
  for (const [path, content] of files) await ctx.blobs.paths.write(`${root}/${path}`, content);
  await finishLoggedModel(ctx, model.id, 'LOGGED_MODEL_READY', '');
  await ctx.tx((tx) => store.updateConversion(tx.db, tx.workspace, conversion.id, { loggedModelId: model.id }));
  return model.id;
}
