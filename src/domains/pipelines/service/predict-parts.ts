// What a predict step scores with which model, and what its result depends on.
import { join } from 'node:path';
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { scoredDataset, type DatasetDefinition, type Parameter, type PredictStep } from '../../projects/public.ts';
import { findVersion, getVersion, interpreterOf, loggedModelFolder, versionFolder, versionInterpreter } from '../../registry/public.ts';
import { getLoggedModel } from '../../tracking/public.ts';
import type { ColumnType, Missing, ScoredColumn } from '../../serving/public.ts';
import { fail } from '../errors.ts';
import { substitute, type KeyParts } from '../model.ts';
import { outputOf, type RunContext } from './run-context.ts';
import { tableInputs } from './table-inputs.ts';

/** The model that scores, as it was pinned when the step was decided. */
export interface ScoringModel {
  /** As rows name it: the number of a version, or the id of a logged model. */
  readonly label: string;
  readonly ref: { readonly kind: 'model-version' | 'logged-model'; readonly id: string };
  readonly folder: string;
  /** Output that holds the scores; null = found by its name or because it is the only one. */
  readonly score: string | null;
  /** Of a model in Python. */
  readonly interpreter: string | undefined;
}

const modelInput = (step: PredictStep): string => `model ${step.model}`;

/** Id of the version, or of the logged model, that a step's `version` means now. Raises `model-version-not-found`, `version-unsealed`. */
async function pinModel(ctx: Ctx, context: RunContext, step: PredictStep): Promise<string> {
  if (context.stepDefinitions.has(step.version.split('.')[0]!)) {
    const made = outputOf(context, step.version);
    if (made.kind === 'logged-model' || made.kind === 'model-version') return made.id;
    return fail('step-failed', { step: step.name, why: `"${step.version}" is not a model` });
  }
  const version = await findVersion(ctx, step.model, step.version);
  if (version.state !== 'sealed') await versionFolder(ctx, version);
  return version.id;
}

/** Raises `step-failed`, `version-unsealed`. */
export async function scoringModel(ctx: Ctx, context: RunContext, step: PredictStep, parts: KeyParts): Promise<ScoringModel> {
  const id = parts.inputs[modelInput(step)]!;
  const score = context.definition.models[step.model]?.score ?? null;
  if (/^m-[0-9a-f]{32}$/.test(id)) {
    const folder = await loggedModelFolder(ctx, id);
    const interpreter = await interpreterOf(ctx, folder);
    return { label: (await getLoggedModel(ctx, id)).id, ref: { kind: 'logged-model', id }, folder, score, interpreter };
  }
  const version = await getVersion(ctx, id);
  const folder = join(ctx.settings.dir, await versionFolder(ctx, version));
  const interpreter = await versionInterpreter(ctx, version);
  return { label: String(version.number), ref: { kind: 'model-version', id }, folder, score, interpreter };
}

/** The dataset that gets the scores, as the project declares it or as it is made without being declared. */
export function targetOf({ definition }: RunContext, step: PredictStep): DatasetDefinition {
  const declared = Object.hasOwn(definition.datasets, step.into) ? definition.datasets[step.into]! : undefined;
  if (declared && (declared.source.length > 0 || declared.sql !== null)) fail('predictions-not-there', { dataset: step.into });
  const from = step.on.kind === 'dataset' ? definition.datasets[step.on.dataset]! : undefined;
  return declared ?? scoredDataset(step.into, from?.key ?? ['row_key'], from?.occurredAt !== null && from !== undefined);
}

/** What stands for a missing value of each column that an endpoint has a rule for. */
export function missingRules({ definition }: RunContext, step: PredictStep): Readonly<Record<string, Missing>> {
  const endpoint = step.endpoint === null ? undefined : definition.endpoints[step.endpoint];
  return Object.fromEntries(
    Object.entries(endpoint?.missing ?? {}).map(([name, rule]): [string, Missing] => [
      name,
      rule.kind === 'default' ? { default: rule.value } : rule.kind === 'reject' ? 'reject' : null,
    ]),
  );
}

/**
 * Columns to be checked, as the endpoint of the model would check a request: what it is sent is refused where it is
 * missing, unless a rule says what stands for it; what is looked up may be missing. Without an endpoint all may be.
 */
export function scoredColumns(
  context: RunContext,
  step: PredictStep,
  inputs: readonly string[],
  types: ReadonlyMap<string, ColumnType>,
): ScoredColumn[] {
  const { definition } = context;
  const service = step.on.kind === 'dataset' && step.on.service !== null ? definition.services[step.on.service] : undefined;
  const views = (service?.views ?? []).map((v) => definition.views[v]!);
  const lookedUp = new Set(views.flatMap((v) => v.columns));
  const keys = views.flatMap((v) => v.entity);
  const rules = missingRules(context, step);
  return [...new Set([...inputs, ...keys])].map((name) => ({
    name,
    type: types.get(name)!,
    missing: Object.hasOwn(rules, name) ? rules[name]! : step.endpoint === null || lookedUp.has(name) ? null : 'reject',
  }));
}

export async function predictKeyParts(
  ctx: Ctx,
  context: RunContext,
  step: PredictStep,
  params: (texts: readonly string[]) => Record<string, Parameter>,
): Promise<Pick<KeyParts, 'definition' | 'params' | 'inputs'>> {
  const { definition } = context;
  const { on } = step;
  const rows =
    on.kind === 'step'
      ? { [on.ref]: outputOf(context, on.ref).digest }
      : await tableInputs(ctx, context, on.service, { dataset: on.dataset });
  const source = on.kind === 'dataset' ? definition.datasets[on.dataset]! : null;
  const shape = [
    on,
    on.kind === 'dataset' && on.service !== null ? definition.services[on.service] : null,
    source && [source.key, source.occurredAt],
    targetOf(context, step),
    step.columns,
    step.endpoint === null ? null : missingRules(context, step),
    definition.models[step.model]?.score ?? null,
    step.monitor,
  ];
  return {
    definition: JSON.stringify(shape),
    params: on.kind === 'dataset' ? params([on.at ?? '', on.where ?? '', ...(on.between ?? [])]) : {},
    inputs: { ...rows, [modelInput(step)]: await pinModel(ctx, context, step) },
  };
}

/** The rows of a step with the run's parameters put in place. */
export function rowsFor({ run }: RunContext, on: Extract<PredictStep['on'], { kind: 'dataset' }>): typeof on {
  const put = (text: string): string => substitute(text, run.params);
  return {
    ...on,
    at: on.at === null ? null : put(on.at),
    where: on.where === null ? null : put(on.where),
    between: on.between && [put(on.between[0]), put(on.between[1])],
  };
}

/** Whoever starts a run that scores must be able to do what its step does. Raises `level-too-low`. */
export function requirePredictLevels(ctx: Ctx, project: string, step: PredictStep): void {
  requireLevel(ctx, 'model', step.model, 'READ');
  requireLevel(ctx, 'dataset', `${project}/${step.into}`, 'EDIT');
  if (step.on.kind === 'dataset') requireLevel(ctx, 'dataset', `${project}/${step.on.dataset}`, 'READ');
}
