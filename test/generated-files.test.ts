import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { generatedFiles } from '../scripts/generate/generated-files.ts';
import { offeredRoutes } from '../scripts/generate/offered-routes.ts';
import { loadAllErrors } from '../scripts/generate/errors-page.ts';
import { openApiDocument, openApiPath } from '../scripts/generate/openapi.ts';
import { permissions } from '../src/kernel/permissions.ts';

const read = (path: string): string => {
  try {
    return readFileSync(join(import.meta.dirname, '..', path), 'utf8');
  } catch {
    return '';
  }
};

test('every generated file is fresh', async () => {
  const stale = (await generatedFiles()).filter(({ path, text }) => read(path) !== text).map(({ path }) => path);
  assert.deepEqual(stale, [], 'run "npm run generate" and commit what it changed');
});

test('every route asks for a permission that exists, has a summary and is in the OpenAPI document once', () => {
  const { paths } = openApiDocument() as { paths: Record<string, Record<string, { operationId: string }>> };
  const routes = offeredRoutes();
  assert.ok(routes.length > 80, `${routes.length} routes are offered`);
  for (const route of routes) {
    const name = `${route.method} ${route.path}`;
    assert.ok(route.permission === 'public' || (permissions as readonly string[]).includes(route.permission), name);
    assert.ok(route.summary.length > 5, name);
    assert.ok(paths[openApiPath(route.path)]?.[route.method.toLowerCase()], `${name} is not in openapi.json`);
  }
  const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map((operation) => operation.operationId));
  assert.deepEqual(
    ids.filter((id, i) => ids.indexOf(id) !== i),
    [],
    'operation ids given twice',
  );
});

test('every problem that a route names is declared', async () => {
  const declared = await loadAllErrors();
  const unknown = offeredRoutes().flatMap((route) =>
    route.errors.filter((code) => !declared.has(code)).map((code) => `${route.path}: ${code}`),
  );
  assert.deepEqual(unknown, []);
});

test('every permission is asked for by a route, or is reserved for what is to come', () => {
  const asked = new Set<string>(offeredRoutes().map((route) => route.permission));
  // Predictions are asked of the data plane, whose tokens carry the permission.
  const reserved = ['serving:predict'];
  assert.deepEqual(
    permissions.filter((permission) => !asked.has(permission)),
    reserved,
  );
});
