// What a step's result depends on, gathered part by part.
import { createHmac } from 'node:crypto';
import { dirname, join, matchesGlob } from 'node:path';
import type { Ctx } from '../../../kernel/ctx.ts';
import { folderKey } from '../../../kernel/folder-key.ts';
import { resolveSecret } from '../../../kernel/secrets.ts';
import {
  parametersIn,
  type ProjectDefinition,
  type RunStep,
  type SnapshotFiles,
  type SpineDefinition,
  type StepDefinition,
} from '../../projects/public.ts';
import { fail } from '../errors.ts';
import { RUNNER_VERSION, substitute, type KeyParts } from '../model.ts';
import type { Run } from '../store/runs.ts';
import { predictKeyParts } from './predict-parts.ts';
import { tableInputs } from './table-inputs.ts';
import { environmentOf, filesOfSnapshot, outputOf, type RunContext } from './run-context.ts';

/** The file of the project that a command runs: named as it is, or as a Python module ("-m package.module"). */
export function scriptOf(command: string, files: SnapshotFiles): string | undefined {
  const words = command.split(/\s+/);
  const module = words.includes('-m') ? (words[words.indexOf('-m') + 1] ?? '').replaceAll('.', '/') : '';
  return [...words, `${module}.py`, `${module}/__main__.py`].find((name) => Object.hasOwn(files, name));
}

/** Code files of a run step: its globs, or the folder of the script that its command names; none for a bare command. */
export function codeFiles(step: RunStep, files: SnapshotFiles): SnapshotFiles {
  const script = scriptOf(step.command, files);
  const folder = script === undefined ? undefined : dirname(script);
  const globs = step.code ?? (folder === undefined ? [] : [folder === '.' ? '*' : `${folder}/**`]);
  return Object.fromEntries(Object.entries(files).filter(([path]) => path === script || globs.some((g) => matchesGlob(path, g))));
}

/** Secrets by name, for the process. Raises `secret-missing`. */
export const secretsOf = (step: RunStep): Record<string, string> =>
  Object.fromEntries(
    Object.entries(step.secrets).map(([name, reference]) => [
      name,
      resolveSecret(reference) ?? fail('secret-missing', { name, reference }),
    ]),
  );

// What tells one value of a secret from the next: stored with the step and shown where it differs, so it is keyed,
// and nobody who reads it can try values out.
function secretVersions(ctx: Ctx, step: RunStep): Record<string, string> {
  const secrets = Object.entries(secretsOf(step));
  if (secrets.length === 0) return {};
  const key = folderKey(join(ctx.settings.dir, 'run', 'secret-versions.key'));
  const versionOf = (name: string, value: string): string =>
    createHmac('sha256', key)
      .update(JSON.stringify([name, value]))
      .digest('hex')
      .slice(0, 16);
  return Object.fromEntries(secrets.map(([name, value]) => [name, versionOf(name, value)]));
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

/** The key parts of a step whose needs have succeeded. */
export async function keyPartsOf(ctx: Ctx, context: RunContext, step: StepDefinition): Promise<KeyParts> {
  const { run, definition } = context;
  const params = (texts: readonly string[]) =>
    Object.fromEntries(texts.flatMap(parametersIn).flatMap((name) => (Object.hasOwn(run.params, name) ? [[name, run.params[name]!]] : [])));
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
  if (step.kind === 'predict') return { ...base, ...(await predictKeyParts(ctx, context, step, params)) };
  if (step.kind === 'register') {
    return {
      ...base,
      definition: JSON.stringify([step.model, definition.models[step.model]?.gates ?? []]),
      inputs: { [step.from]: outputOf(context, step.from).digest, [step.evaluation]: outputOf(context, step.evaluation).digest },
    };
  }
  const files = await filesOfSnapshot(ctx, context);
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
    secrets: secretVersions(ctx, step),
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
