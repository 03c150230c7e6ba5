// What each unary method answers.
import { refuseBody, type Exchange, type Plane } from '../../../domains/serving/data-plane.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { deadlineOf, requireDistinct } from '../infer.ts';
import { configOf, extensions, indexOf, logSettings, statisticsOf, traceSettings } from '../management.ts';
import { requireNoOverride } from '../repository.ts';
import { servedOf } from '../served.ts';
import { readInputs, writeOutputs } from './tensors.ts';
import type { WireRequest } from './wire.ts';

/** `mirror` answers raw what was asked raw, and typed what was asked typed. */
export type Form = 'mirror' | 'raw' | 'typed';
export type SendHeaders = (headers: Readonly<Record<string, string>>) => void;
export type Use = (request: never, exchange: Exchange, sendHeaders: SendHeaders) => unknown;

interface Named {
  readonly name: string;
  readonly version: string;
}
interface Control {
  /** Where KServe's clients have the name of the model. */
  readonly repository_name: string;
  readonly model_name: string;
  readonly parameters?: object;
}

export const methods = (plane: Plane, form: Form): Record<string, Use> => ({
  ServerLive: () => ({ live: true }),
  ServerReady: () => ({ ready: plane.accepting() }),
  ServerMetadata: () => ({ name: 'gyre', version: plane.programVersion, extensions }),
  ModelReady: ({ name, version }: Named, { caller }) => {
    // Clients ask in a loop for a model that is still to come: that it is not there is an answer, not an error.
    try {
      servedOf(plane, caller, name, version || undefined);
      return { ready: true };
    } catch (error) {
      if (isProblem(error) && error.status === 404) return { ready: false };
      throw error;
    }
  },
  ModelMetadata: ({ name, version }: Named, { caller }) => {
    // The properties are told over REST alone: they are texts here and messages in MLServer's stubs, which cannot read a text.
    const { versions, platform, inputs, outputs } = servedOf(plane, caller, name, version || undefined);
    return { name, versions, platform, inputs, outputs };
  },
  ModelInfer: (request: WireRequest, exchange, sendHeaders) => inferOnce(plane, form, request, exchange, sendHeaders),
  ModelConfig: ({ name, version }: Named, { caller }) => ({ config: configOf(servedOf(plane, caller, name, version || undefined)) }),
  ModelStatistics: ({ name, version }: Named, { caller }) => statisticsOf(plane, caller, name || undefined, version || undefined),
  ...repositoryMethods(plane),
  SystemSharedMemoryStatus: () => ({}),
  SystemSharedMemoryUnregister: () => ({}),
  CudaSharedMemoryStatus: () => ({}),
  CudaSharedMemoryUnregister: () => ({}),
  TraceSetting: ({ settings }: { settings: Readonly<Record<string, { value: readonly string[] }>> }) => {
    if (Object.values(settings).some((s) => s.value.length > 0))
      return refuseBody('the settings of tracing are those that the server was started with.');
    return { settings: Object.fromEntries(Object.entries(traceSettings).map(([name, value]) => [name, { value }])) };
  },
  LogSettings: ({ settings }: { settings: object }) => {
    if (Object.keys(settings).length > 0) return refuseBody('the settings of the log are those that the server was started with.');
    const shown = (value: boolean | number | string) =>
      typeof value === 'boolean' ? { bool_param: value } : typeof value === 'number' ? { uint32_param: value } : { string_param: value };
    return { settings: Object.fromEntries(Object.entries(logSettings).map(([name, value]) => [name, shown(value)])) };
  },
});

export const repositoryMethods = (plane: Plane): Record<string, Use> => {
  const control = (action: 'load' | 'unload'): Use => {
    return async ({ repository_name, model_name, parameters = {} }: Control, { caller }) => {
      const name = model_name || repository_name;
      requireNoOverride(Object.keys(parameters));
      await plane.repository[action](caller, name);
      return { model_name: name, [action === 'load' ? 'isLoaded' : 'isUnloaded']: true };
    };
  };
  return {
    RepositoryIndex: ({ ready }: { ready: boolean }, { caller }) => ({ models: indexOf(plane, caller, ready) }),
    RepositoryModelLoad: control('load'),
    RepositoryModelUnload: control('unload'),
  };
};

/** The answer to one request, alone or of a stream. */
export async function inferOnce(plane: Plane, form: Form, request: WireRequest, exchange: Exchange, sendHeaders: SendHeaders) {
  const served = servedOf(plane, exchange.caller, request.modelName, request.modelVersion || undefined);
  const available = served.outputs.map((o) => o.name);
  const names = request.outputs.length > 0 ? request.outputs : available;
  const unknown = names.find((name) => !available.includes(name));
  if (unknown !== undefined) return refuseBody(`there is no output "${unknown.slice(0, 100)}"; there are ${available.join(', ')}.`);
  requireDistinct(names);
  const { parameters } = request;
  const asked = parameters.size === 0 ? undefined : deadlineOf(parameters.get('timeout'), parameters.get('priority'));
  const deadlineMs = Math.min(asked ?? Infinity, exchange.deadlineMs ?? Infinity);
  const inferred = await served.infer({ ...exchange, deadlineMs }, readInputs(request), names);
  sendHeaders(inferred.headers);
  const told: Record<string, object> = {};
  for (const [name, value] of Object.entries(inferred.parameters))
    told[name] = typeof value === 'number' ? { int64_param: value } : { string_param: value };
  return {
    model_name: served.name,
    model_version: inferred.version ?? '',
    id: request.id,
    parameters: told,
    ...writeOutputs(inferred.outputs, form === 'typed' || (form === 'mirror' && request.raw.length === 0)),
  };
}
