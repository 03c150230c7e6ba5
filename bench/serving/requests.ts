// The one row that every part sends, in each protocol, and the plan of an endpoint on it.
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writePlan, type PlanEndpoint } from '../../src/domains/serving/public.ts';
import { loadDefinition } from '../../src/dialects/oip/grpc/server.ts';
import { post } from './load.ts';
import { models } from './servers.ts';

const COLUMNS = 20;
const row = Array.from({ length: COLUMNS }, (_, i) => Math.fround(Math.sin(i) * 2));
const bytes = Buffer.from(Float32Array.from(row).buffer);

export const ask = '/v2/models/m/infer';
export const json = post(ask, JSON.stringify({ inputs: [{ name: 'X', shape: [1, COLUMNS], datatype: 'FP32', data: row }] }));
export const columns = (rows = 1): Buffer =>
  post(
    ask,
    JSON.stringify({
      inputs: row.map((value, i) => ({ name: `x${i}`, shape: [rows, 1], datatype: 'FP32', data: Array(rows).fill(value) })),
    }),
  );
export const mlflow = post('/invocations', JSON.stringify({ inputs: [row] }));

const head = JSON.stringify({
  inputs: [{ name: 'X', shape: [1, COLUMNS], datatype: 'FP32', parameters: { binary_data_size: bytes.length } }],
  parameters: { binary_data_output: true },
});
export const binary = post(ask, Buffer.concat([Buffer.from(head), bytes]), {
  'content-type': 'application/octet-stream',
  'inference-header-content-length': String(head.length),
});

export const grpcPath = '/inference.GRPCInferenceService/ModelInfer';
export async function grpcMessage(): Promise<Buffer> {
  const service = (await loadDefinition())['inference.GRPCInferenceService'] as import('@grpc/grpc-js').ServiceDefinition;
  const inputs = [{ name: 'X', datatype: 'FP32', shape: [1, COLUMNS] }];
  return service.ModelInfer!.requestSerialize({ model_name: 'm', inputs, raw_input_contents: [bytes] });
}

const variant = (id: string, file: string, version: string): PlanEndpoint['variants'][number] => ({
  id,
  model: 'm',
  modelVersion: version,
  modelDigest: file,
  modelPath: join('models', file),
  weight: 1,
});

export interface PlanWishes {
  readonly number: number;
  /** A second variant, ten times as slow, answers a copy of every request. */
  readonly shadow?: boolean;
  readonly version?: string;
  /** Nothing is logged. */
  readonly unlogged?: boolean;
}

/** A folder with the models and a plan of one endpoint "m" with the twenty columns, logged. */
export function writeServingPlan(dir: string, { number, shadow = false, version = '1', unlogged = false }: PlanWishes): void {
  for (const file of ['columns.onnx', 'slow.onnx']) {
    mkdirSync(join(dir, 'models'), { recursive: true });
    cpSync(join(models, file), join(dir, 'models', file));
  }
  const endpoint: PlanEndpoint = {
    name: 'm',
    workspace: 'default',
    project: 'bench',
    revision: number,
    timeline: { mode: 'live', nowUs: 0 },
    assignBy: null,
    salt: 'salt',
    variants: [
      variant('stable', 'columns.onnx', version),
      ...(shadow ? [{ ...variant('shadow', 'slow.onnx', 'slow'), weight: 0, shadow: 1 }] : []),
    ],
    request: Array.from({ length: COLUMNS }, (_, i) => ({ name: `x${i}`, type: 'number' as const, missing: null })),
    featureService: null,
    unknownColumns: 'reject',
    output: { score: 'probabilities' },
    log: { personal: [], ...(unlogged ? { share: 0 } : {}) },
  };
  writePlan(dir, { format: 1, number, access: { open: true, tokens: [] }, suppression: 0, endpoints: [endpoint] });
}
