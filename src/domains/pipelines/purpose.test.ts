import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPipelines } from '../../../test/support/pipelines.ts';

const project = (purpose: string): string => `
project: demo
datasets:
  orders: { source: o.parquet, key: [order], occurred_at: at, known_at: at, purposes: [billing], legal_basis: contract }
features:
  views: { v: { dataset: orders, entity: [customer], columns: [amount] } }
  services: { s: { views: [v], request: [customer] } }
pipelines:
  p:${purpose}
    steps:
      rows: { features: s, spine: { dataset: orders, at: at, label: bad, between: ['2024-01-01', '2024-02-01'] } }
`;

test('a run is refused before it reads data for a purpose that the data lacks, or for none, and told how to mend it', async (t) => {
  const b = await openPipelines(t);
  const start = async (purpose: string) => {
    await b.apply(project(purpose));
    const { status, body } = await b.send<{ code: string; detail: string }>('POST', '/projects/demo/pipelines/p/runs', {});
    return { status, code: body.code, detail: body.detail };
  };
  const none = await start('');
  assert.deepEqual([none.status, none.code], [403, 'purpose-not-allowed']);
  assert.match(none.detail, /says no purpose.*"orders" may be used for "billing" only.*set "purpose:"/);
  const other = await start('\n    purpose: advertising');
  assert.deepEqual([other.status, other.code], [403, 'purpose-not-allowed']);
  assert.match(other.detail, /for the purpose "advertising".*add the purpose to "purposes:"/);
  assert.equal((await start('\n    purpose: billing')).status, 201);
});
