// The client that MLflow has for its scoring server, unmodified, and requests. The checks are in scoring.py.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { mlflowScoring } from '../../src/dialects/mlflow-scoring/mlflow-scoring.ts';
import { readSignature } from '../../src/dialects/mlflow-scoring/signature.ts';
import { writeIdentity } from '../../src/domains/serving/fixtures/identity.ts';
import { folder, runPlane } from '../../src/domains/serving/fixtures/plane.ts';

const signature = readSignature({
  inputs:
    '[{"name": "id", "type": "long"}, {"name": "x", "type": "double"}, {"name": "word", "type": "string"}, {"name": "yes", "type": "boolean"}]',
});

for (const version of ['mlflow-2', 'mlflow-3'])
  test(`ScoringServerClient of ${version}, and requests`, { timeout: 120_000 }, async (t) => {
    const python = join(import.meta.dirname, `../../.cache/${version}/bin/python`);
    assert.ok(existsSync(python), `There is no ${python}: run "sh scripts/set-up.sh --mlflow-clients".`);
    const dir = folder(t);
    const path = writeIdentity(join(dir, 'model.onnx'), [
      { name: 'id', datatype: 'INT64', shape: ['N'] },
      { name: 'x', datatype: 'FP64', shape: ['N', 1] },
      { name: 'word', datatype: 'BYTES', shape: ['N'] },
      { name: 'yes', datatype: 'BOOL', shape: ['N'] },
    ]);
    const plane = await runPlane(t, { dir, plan: null, models: [{ name: 'm', path }], dialects: [mlflowScoring(() => signature)] });
    const { stdout } = await promisify(execFile)(python, [join(import.meta.dirname, 'scoring.py'), plane.url], { timeout: 100_000 });
    assert.ok(Number(/^passed (\d+)$/m.exec(stdout)?.[1]) >= 13, stdout);
  });
