// The rows of a request as vectors of the model, or the problem that names what is wrong with them.
import type { Fault } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';
import type { PredictOptions } from '../http/protocol.ts';
import { prepare, type LiveEndpoint, type Prepared, type Row, type RowFaults } from '../plane/endpoint.ts';
import type { ServingMetrics } from '../plane/serving-metrics.ts';

const MAX_FAULTS = 20;

/** Raises `prediction-input-invalid`. */
export function prepareAll(
  endpoint: LiveEndpoint,
  rows: readonly Row[],
  { pointer = () => '' }: PredictOptions,
  eventTimeUs: number,
  metrics: Pick<ServingMetrics, 'fault'>,
): Prepared[] {
  const found: Fault[] = [];
  let count = 0;
  const faults: RowFaults = {
    add: (fault) => void (++count <= MAX_FAULTS && found.push(fault)),
    count: (column, kind, outcome) => metrics.fault(endpoint.plan.name, column, kind, outcome),
  };
  const prepared = rows.map((row, i) => prepare(endpoint, row, pointer(i), eventTimeUs, faults));
  if (count > 0) fail('prediction-input-invalid', { endpoint: endpoint.plan.name, first: found[0]!.detail, count }, found);
  return prepared;
}
