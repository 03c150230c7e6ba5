// Loading and unloading of models over REST. What Triton takes with a load, another configuration or the files themselves, is
// refused: a server does not run what a caller uploads.
import { isRecord, parseJson, refuseBody, type Exchange, type Plane } from '../../domains/serving/data-plane.ts';

/** The body, or an empty object where there is none. Raises `prediction-body-invalid`. */
export function optionalObject({ body }: Exchange): Readonly<Record<string, unknown>> {
  if (body.length === 0) return {};
  const json = parseJson(body);
  return isRecord(json) ? json : refuseBody('it must be an object.');
}

/** Whether an index is asked for what is ready alone. MLServer's client sends null for what it does not ask. */
export function readyOnly(exchange: Exchange): boolean {
  const { ready = null } = optionalObject(exchange);
  return typeof ready === 'boolean' || ready === null ? ready === true : refuseBody('"ready" must be true or false.');
}

/** Raises `prediction-body-invalid`. */
export function requireNoOverride(parameters: Iterable<string>): void {
  for (const name of parameters)
    if (name !== 'unload_dependents')
      refuseBody(
        `the parameter "${name.slice(0, 100)}" cannot be used here: a model is loaded from the path that the server was started with.`,
      );
}

export async function control(exchange: Exchange, plane: Plane, name: string, action: string): Promise<void> {
  const { parameters } = optionalObject(exchange);
  if (parameters !== undefined && !isRecord(parameters)) return refuseBody('"parameters" must be an object.');
  requireNoOverride(Object.keys(parameters ?? {}));
  await (action === 'load' ? plane.repository.load(exchange.caller, name) : plane.repository.unload(exchange.caller, name));
}
