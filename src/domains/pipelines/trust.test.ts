import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/databases.ts';
import { openPipelines } from '../../../test/support/pipelines.ts';
import { createUser } from '../access/public.ts';
import { requireTrust } from './service/trust.ts';
import type { StepDefinition } from '../projects/public.ts';

const project = 'project: a\ncode: [x.sh]\npipelines:\n  p: { steps: { one: { run: sh x.sh, out: { o: folder } } } }\n';
const basic = { authorization: `Basic ${Buffer.from('ada:a long password').toString('base64')}` };

eachDatabase('once users are defined, no run begins that would run code as the server’s own user', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await b.apply(project, { 'x.sh': 'echo hello > out/o/x' });
  await createUser(b.ctx(), { name: 'ada', password: 'a long password', role: 'admin' });
  const { status, body } = await b.send('POST', '/projects/a/pipelines/p/runs', {}, basic);
  assert.equal(status, 403);
  assert.equal(body.code, 'process-engine-not-trusted');
});

test('it begins where the setting says that this is wanted, and where no step runs code', async (t) => {
  const b = await openPipelines(t);
  const steps = [
    { name: 'one', kind: 'run' },
    { name: 'two', kind: 'register' },
  ] as unknown as StepDefinition[];
  await requireTrust(b.ctx(), steps);
  await createUser(b.ctx(), { name: 'ada', password: 'a long password', role: 'admin' });
  await assert.rejects(requireTrust(b.ctx(), steps), { code: 'process-engine-not-trusted' });
  await requireTrust(b.ctx(), steps.slice(1));
  const ctx = b.ctx();
  await requireTrust({ ...ctx, settings: { ...ctx.settings, trustProcessEngine: true } }, steps);
});
