import assert from 'node:assert/strict';
import { eachDatabase } from '../../../test/support/platform.ts';
import { deleteVersion } from '../registry/public.ts';
import { canaryProject, openCanary, withStable } from './fixtures/canary.ts';

eachDatabase('a version that an endpoint serves is not deleted; once another has all the traffic it may be', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject('{ steps: [100%] }'));
  await withStable(b);
  await b.version();
  await assert.rejects(deleteVersion(b.ctx(), 'm', 1), { code: 'model-in-use', message: /Version 1 of "m" cannot be deleted: endpoint e/ });
  const { body } = await b.begin('2');
  assert.equal(body.state, 'promoted', JSON.stringify(body));
  await assert.rejects(deleteVersion(b.ctx(), 'm', 2), { code: 'model-in-use' });
  await deleteVersion(b.ctx(), 'm', 1);
  const back = await b.send<{ code: string; detail: string }>('POST', '/projects/demo/endpoints/e/rollback', { reason: 'back' });
  assert.equal(back.body.code, 'rollback-not-possible', JSON.stringify(back.body));
  assert.match(back.body.detail, /version 1, which revision \d+ served, was deleted/);
  assert.deepEqual(
    (await b.served()).map((v) => v.number),
    [2],
  );
});
