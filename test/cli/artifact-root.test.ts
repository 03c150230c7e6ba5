// Options of gyre up that decide where artifacts are kept, as the server behind it understands them.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { folder, start, written } from './gyre.ts';

test('gyre up takes --artifact-root and --no-serve-artifacts, and refuses a root that climbs', async () => {
  const cwd = folder((remove) => after(remove));
  const location = async (...options: string[]): Promise<readonly [string, number]> => {
    const up = start(['up', '--dir', join(cwd, 'gyre'), '--port', '0', '--no-data-plane', ...options], { cwd });
    const [, url] = await written(up, /ready at (http:\S+)/);
    const made = await fetch(`${url}/api/2.0/mlflow/experiments/create`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: options.join(' ') }),
    });
    const { experiment_id: id } = (await made.json()) as { experiment_id: string };
    const found = await fetch(`${url}/api/2.0/mlflow/experiments/get?experiment_id=${id}`);
    const { experiment } = (await found.json()) as { experiment: { artifact_location: string } };
    const { status } = await fetch(`${url}/api/2.0/mlflow-artifacts/artifacts`);
    up.child.kill('SIGTERM');
    await up.ended;
    return [experiment.artifact_location.replace(`/${id}`, '/ID'), status];
  };
  assert.deepEqual(await location('--artifact-root', 's3://bucket/prefix'), ['s3://bucket/prefix/ID', 200]);
  assert.deepEqual(await location('--artifact-root', 'below', '--no-serve-artifacts'), [`${cwd}/below/ID`, 503]);
  assert.deepEqual(await location('--no-serve-artifacts'), [`${cwd}/gyre/artifacts/ID`, 503]);
  const refused = await start(['up', '--artifact-root', 's3://bucket/../x'], { cwd }).ended;
  assert.equal(refused.code, 2);
  assert.match(refused.err, /GYRE_ARTIFACT_ROOT=s3:\/\/bucket\/\.\.\/x cannot be used/);
});
