// Our own, simplest way to ask: POST /endpoints/NAME/predict {"inputs": {column: value}} or {"rows": [...]}.
import { toProblemDocument } from '../../../kernel/errors.ts';
import {
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
  type ServingDialect,
} from './protocol.ts';
import type { PredictedRow } from '../batching/pending-rows.ts';

const PATH = /^\/endpoints\/([^/]+)\/predict\/?$/;

async function predict(exchange: Exchange, plane: Plane): Promise<Answer> {
  requireMethod(exchange, 'POST');
  const endpoint = plane.endpoint(exchange.caller, decodeSegment(PATH.exec(exchange.path)![1]!));
  const body = parseBody(exchange.body);
  if (!isRecord(body)) return refuseBody('send {"inputs": {column: value, ...}} for one row or {"rows": [{...}, ...]} for several.');
  const stray = Object.keys(body).find((name) => name !== 'inputs' && name !== 'rows');
  if (stray !== undefined || 'inputs' in body === 'rows' in body)
    return refuseBody('it must have exactly one member, "inputs" (one row) or "rows" (a list of rows).');
  if ('inputs' in body) {
    if (!isRecord(body.inputs)) return refuseBody('"inputs" must be an object of column names and values.');
    const [row] = await plane.predict(exchange, endpoint, [body.inputs], { pointer: () => '/inputs' });
    return {
      status: 200,
      headers: predictionHeaders([row!]),
      body: JSON.stringify({ endpoint: endpoint.plan.name, revision: endpoint.plan.revision, ...wire(row!) }),
    };
  }
  const { rows } = body;
  if (!Array.isArray(rows) || rows.length === 0 || !rows.every(isRecord))
    return refuseBody('"rows" must be a list of at least one object of column names and values.');
  const predicted = await plane.predict(exchange, endpoint, rows, { pointer: (i) => `/rows/${i}` });
  return {
    status: 200,
    headers: predictionHeaders(predicted),
    body: JSON.stringify({ endpoint: endpoint.plan.name, revision: endpoint.plan.revision, predictions: predicted.map(wire) }),
  };
}

const wire = ({ id, score, variant }: PredictedRow) => ({
  predictionId: id,
  score: jsonValue(score),
  modelVersion: variant.plan.modelVersion,
  variant: variant.plan.id,
});

export const gyreProtocol: ServingDialect = {
  name: 'gyre',
  owns: (path) => PATH.test(path),
  answer: predict,
  renderProblem: (problem) => ({
    status: problem.status,
    contentType: 'application/problem+json',
    body: JSON.stringify(toProblemDocument(problem, '')),
  }),
};
