// What the data plane's protocols and the program that starts it may use. Nothing here loads the database of the control plane, so
// that a data plane alone starts in an instant.
export { startDataPlane, type DataPlane, type ServedModel } from './plane/data-plane.ts';
export {
  decodeSegment,
  isRecord,
  jsonValue,
  parseBody,
  predictionHeaders,
  refuseBody,
  requireMethod,
  type Answer,
  type Exchange,
  type Plane,
  type ListenerContext,
  type ServingDialect,
  type ServingListener,
} from './http/protocol.ts';
export { bare, parseJson } from './http/json-text.ts';
export { modelInterpreter } from './runtime/python/interpreter.ts';
export { wholeVersion, type WholeModel, type WholeModelSource } from './plane/whole-models.ts';
export { type ModelControl } from './plane/model-repository.ts';
export { type LiveEndpoint, type Row } from './plane/endpoint.ts';
export { type PredictedRow } from './batching/pending-rows.ts';
export { Laps } from './http/laps.ts';
export type { Trace, Traced } from './http/traced.ts';
export { describePlacement } from './runtime/placement.ts';
