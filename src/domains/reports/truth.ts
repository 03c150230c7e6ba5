// Where the truth of predictions comes from, and how a prediction finds its row. Until feedback arrives through
// its own door, truth is a column of a dataset: by default the label that the endpoint's model was evaluated on.
import type { EndpointDefinition, EvaluateStep, FeatureServiceDefinition, ProjectDefinition } from '../projects/public.ts';

/** What a caller may say; whatever is absent comes from the project. */
export interface TruthRequest {
  readonly dataset?: string;
  /** Expression over the dataset's columns. */
  readonly label?: string;
  readonly where?: string;
  /** Expression for the moment a row was predicted at; null = the moment does not tell rows apart. */
  readonly at?: string | null;
  /** Columns that the request and the dataset share. */
  readonly keys?: readonly string[];
}

export interface Truth {
  readonly dataset: string;
  readonly label: string;
  readonly where: string | null;
  readonly at: string | null;
  readonly keys: readonly string[];
}

export type TruthChoice = { readonly ok: true; readonly truth: Truth } | { readonly ok: false; readonly why: string };

/** The evaluate step whose model becomes this registered model. */
export function evaluationStepOf(definition: ProjectDefinition, model: string): EvaluateStep | undefined {
  for (const pipeline of Object.values(definition.pipelines)) {
    const register = pipeline.steps.find((s) => s.kind === 'register' && s.model === model);
    const step = register?.kind === 'register' ? pipeline.steps.find((s) => s.name === register.evaluation) : undefined;
    if (step?.kind === 'evaluate') return step;
  }
  return undefined;
}

/** A prediction and a row belong together if the moment and every key agree. */
export function truthOf(
  definition: ProjectDefinition,
  endpoint: EndpointDefinition,
  columnsOf: (dataset: string) => readonly string[] | undefined,
  asked: TruthRequest = {},
): TruthChoice {
  const spine = evaluationStepOf(definition, endpoint.model)?.spine;
  const dataset = asked.dataset ?? spine?.dataset;
  const own = dataset === spine?.dataset ? spine : undefined;
  const label = asked.label ?? own?.label;
  if (dataset === undefined || label === undefined)
    return {
      ok: false,
      why: 'no pipeline evaluates this endpoint’s model, so say where the truth is: {"truth": {"dataset", "label", "keys"}}.',
    };
  const columns = columnsOf(dataset);
  if (columns === undefined) return { ok: false, why: `the dataset "${dataset}" has no version yet.` };
  const service: FeatureServiceDefinition | undefined = endpoint.service === null ? undefined : definition.services[endpoint.service];
  // Personal columns are not in the log as they were sent.
  const shared = (service?.request ?? []).filter((c) => columns.includes(c) && !endpoint.personal.includes(c));
  const keys = asked.keys ?? shared;
  const stray = keys.find((k) => !columns.includes(k));
  if (stray !== undefined) return { ok: false, why: `the dataset "${dataset}" has no column "${stray}" to join by.` };
  const at = asked.at === undefined ? (own?.at ?? null) : asked.at;
  if (keys.length === 0 && at === null) return { ok: false, why: 'no key is shared by the requests and the dataset.' };
  return { ok: true, truth: { dataset, label, where: asked.where ?? own?.where ?? null, at, keys } };
}

export const joinedBy = ({ keys, at }: Truth): string => [...(at === null ? [] : ['moment of the prediction']), ...keys].join(', ');
