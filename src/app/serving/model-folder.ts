// An MLflow model folder: which file is its ONNX model, and what its signature says.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSignature, type ModelSignature } from '../../dialects/mlflow-scoring/signature.ts';
import { fail } from './errors.ts';

export interface ModelFolder {
  /** Absent where the model has no ONNX flavor. */
  readonly onnxFile: string | undefined;
  readonly flavors: readonly string[];
  readonly signature: ModelSignature;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Raises `model-folder-invalid`. */
export async function readModelFolder(path: string): Promise<ModelFolder> {
  const invalid = (why: string): never => fail('model-folder-invalid', { path, why });
  const file = join(path, 'MLmodel');
  if (!existsSync(file)) return invalid('there is no file MLmodel in it');
  const { parse } = await import('yaml');
  let mlmodel: unknown;
  try {
    mlmodel = parse(readFileSync(file, 'utf8'));
  } catch {
    return invalid('its file MLmodel is not YAML');
  }
  if (!isRecord(mlmodel) || !isRecord(mlmodel.flavors)) return invalid('its file MLmodel names no flavors');
  const { flavors } = mlmodel;
  let signature: ModelSignature;
  try {
    signature = readSignature(mlmodel.signature);
  } catch (error) {
    return invalid(`its file MLmodel has a signature that cannot be read (${(error as Error).message})`);
  }
  const onnx = isRecord(flavors.onnx) ? flavors.onnx : undefined;
  const data = typeof onnx?.data === 'string' ? onnx.data : 'model.onnx';
  const onnxFile = onnx && join(path, data);
  if (onnxFile !== undefined && !existsSync(onnxFile)) return invalid(`the file ${data} that its MLmodel names is not there`);
  return { onnxFile, flavors: Object.keys(flavors), signature };
}
