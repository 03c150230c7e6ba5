// What a step's result depends on, gathered part by part.
import { createHash } from 'node:crypto';
import { dirname, matchesGlob } from 'node:path';
import type { Ctx } from '../../../kernel/ctx.ts';
import { resolveSecret } from '../../../kernel/secrets.ts';
import { getVersion } from '../../datasets/public.ts';
import { declareEnvironment, type ResolvedEnvironment } from '../../environments/public.ts';
import { viewKey } from '../../features/public.ts';
import {
  parametersIn,
  snapshotFiles,
  snapshotText,
  type ProjectDefinition,
  type RunStep,
  type SnapshotFiles,
  type SpineDefinition,
  type StepDefinition,
} from '../../projects/public.ts';
import { fail } from '../errors.ts';
import { RUNNER_VERSION, substitute, type KeyParts, type Outputs, type StepOutput } from '../model.ts';
import type { Run, Step } from '../store.ts';

const sha256 = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

/** Everything the services below need of a run. */
export interface RunContext {
  readonly run: Run;
  readonly definition: ProjectDefinition;
  readonly steps: readonly Step[];
}

/** The output that `ref` ("step" or "step.output") names. Raises `step-failed` if it is not there. */
export function outputOf(context: RunContext, ref: string): StepOutput {
  const [step = '', out] = ref.split('.');
  const outputs: Outputs | null | undefined = context.steps.find((s) => s.name === step)?.outputs;
  const found = out === undefined ? Object.values(outputs ?? {})[0] : outputs?.[out];
  return found ?? fail('step-failed', { step, why: `its output "${out ?? ''}" is not there` });
}

/** Code files of a run step: its globs, or the folder of the script that its command names. */
export function codeFiles(step: RunStep, files: SnapshotFiles): SnapshotFiles {
  const script = step.command.split(/\s+/).find((word) => word in files);
  if (!step.code && script === undefined) return fail('no-script', { step: step.name });
  const folder = script === undefined ? '' : dirname(script);
  const globs = step.code ?? [folder === '.' ? '*' : `${folder}/**`];
  return Object.fromEntries(Object.entries(files).filter(([path]) => path === script || globs.some((g) => matchesGlob(path, g))));
}

/** Secrets by name: the value for the process, and a keyed digest of it for the cache key. */
export function secretsOf(step: RunStep): { values: Record<string, string>; versions: Record<string, string> } {
  const values = Object.fromEntries(
    Object.entries(step.secrets).map(([name, reference]) => [
      name,
      resolveSecret(reference) ?? fail('secret-missing', { name, reference }),
    ]),
  );
  return {
    values,
    versions: Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, sha256(['gyre secret version', name, value]).slice(0, 16)]),
    ),
  };
}

export async function environmentOf(
  ctx: Ctx,
  context: RunContext,
  name: string | null,
): Promise<{ resolved: ResolvedEnvironment; text: string; file: string } | null> {
  if (name === null) return null;
  const { lock, python } = context.definition.environments[name]!;
  const { text } = await snapshotText(ctx, context.run.snapshot, lock);
  return { resolved: await declareEnvironment(ctx, text, lock, python), text, file: lock };
}

/** A spine with the run's parameters put in place. */
export const spineFor = (run: Run, s: SpineDefinition): SpineDefinition => {
  const put = (text: string): string => substitute(text, run.params);
  return {
    ...s,
    at: put(s.at),
    label: put(s.label),
    where: s.where === null ? null : put(s.where),
    between: [put(s.between[0]), put(s.between[1])],
    knownBy: s.knownBy === null ? null : put(s.knownBy),
  };
};

async function tableInputs(ctx: Ctx, context: RunContext, service: string, spine: SpineDefinition): Promise<Record<string, string>> {
  const { definition, run } = context;
  const version = (dataset: string) =>
    getVersion(
      ctx,
      run.datasets[dataset] ?? fail('step-failed', { step: service, why: `dataset "${dataset}" had no version when the run began` }),
    );
  const inputs: Record<string, string> = { [spine.dataset]: (await version(spine.dataset)).logicalDigest };
  for (const name of definition.services[service]!.views) {
    const view = definition.views[name]!;
    inputs[`view ${name}`] = sha256([
      await viewKey(ctx, { definition, snapshot: run.snapshot, view, version: await version(view.dataset) }),
      view.ttlUs,
    ]);
  }
  return inputs;
}

/** The key parts of a step whose needs have succeeded. */
export async function keyPartsOf(ctx: Ctx, context: RunContext, step: StepDefinition): Promise<KeyParts> {
  const { run, definition } = context;
  const params = (texts: readonly string[]) =>
    Object.fromEntries(texts.flatMap(parametersIn).flatMap((name) => (name in run.params ? [[name, run.params[name]!]] : [])));
  const base = { runner: RUNNER_VERSION, kind: step.kind, params: {}, code: {}, inputs: {}, environment: null, variables: {}, secrets: {} };
  if (step.kind === 'features' || step.kind === 'evaluate') {
    const { spine, service } = step;
    const texts = [spine.at, spine.label, spine.where ?? '', ...spine.between, spine.knownBy ?? ''];
    const own = step.kind === 'evaluate' ? { slices: step.slices, score: scoreOutputOf(definition, step.name) } : {};
    const dataset = definition.datasets[spine.dataset]!;
    return {
      ...base,
      definition: JSON.stringify([spine, definition.services[service], dataset.key, dataset.knownAt, own]),
      params: params(texts),
      inputs: {
        ...(await tableInputs(ctx, context, service, spine)),
        ...(step.kind === 'evaluate' ? { [step.model]: outputOf(context, step.model).digest } : {}),
      },
    };
  }
  if (step.kind === 'register') {
    return {
      ...base,
      definition: JSON.stringify([step.model, definition.models[step.model]?.gates ?? []]),
      inputs: { [step.from]: outputOf(context, step.from).digest, [step.evaluation]: outputOf(context, step.evaluation).digest },
    };
  }
  const files = await snapshotFiles(ctx, run.snapshot);
  const environment = await environmentOf(ctx, context, step.environment);
  const { retry: _, timeoutMs: __, env, secrets: ___, needs: ____, code: _____, environment: ______, ...shape } = step;
  return {
    ...base,
    definition: JSON.stringify(shape),
    params: params([step.command, ...Object.values(env)]),
    code: codeFiles(step, files),
    inputs: Object.fromEntries(step.inputs.map((ref) => [ref, outputOf(context, ref).digest])),
    environment: environment?.resolved.digest ?? null,
    variables: env,
    secrets: secretsOf(step).versions,
  };
}

/** The model definition whose register step uses this evaluation; its `score` names the output. */
export function scoreOutputOf(definition: ProjectDefinition, evaluationStep: string): { task: 'binary' | 'regression'; score: string } {
  for (const pipeline of Object.values(definition.pipelines))
    for (const step of pipeline.steps)
      if (step.kind === 'register' && step.evaluation === evaluationStep) {
        const model = definition.models[step.model];
        if (model) return { task: model.task, score: model.score ?? 'probabilities' };
      }
  return { task: 'binary', score: 'probabilities' };
}
