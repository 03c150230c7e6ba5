import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isProblem } from '../../../kernel/errors.ts';
import { openModelRepository } from './model-repository.ts';
import type { WholeModels } from './whole-models.ts';

/** What is asked of the models is all that the repository knows of them. */
function knowing(names: readonly string[]) {
  const done: string[] = [];
  const models = {
    known: () => names.map((name) => ({ name, version: '1', loaded: true })),
    load: async (name: string) => {
      done.push(`load ${name}`);
      await Promise.resolve();
      done.push(`loaded ${name}`);
    },
    unload: (name: string) => void done.push(`unload ${name}`),
  };
  return { done, models: models as Pick<WholeModels, 'known' | 'load' | 'unload'> };
}
const anybody = { workspace: 'default', endpoints: '*' } as const;
const somebody = { workspace: 'default', endpoints: ['a'] } as const;
const code = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (isProblem(error) ? error.code : String(error)),
  );

test('Only who may ask all models loads and unloads, and only where it is allowed', async () => {
  const { models, done } = knowing(['a', 'b']);
  const explicit = openModelRepository(models, 'explicit');
  assert.equal(await code(openModelRepository(models, 'none').load(anybody, 'a')), 'model-control-off');
  assert.equal(await code(explicit.unload(somebody, 'a')), 'model-control-off');
  assert.equal(await code(openModelRepository(knowing([]).models, 'explicit').load(anybody, 'a')), 'model-control-off');
  assert.equal(await code(explicit.load(anybody, 'c')), 'served-model-not-found');
  assert.deepEqual(done, []);
  assert.deepEqual(
    explicit.index(somebody).map((v) => v.name),
    ['a'],
  );
});

test('Calls for one model take their turns, those for others do not wait', async () => {
  const { models, done } = knowing(['a', 'b']);
  const explicit = openModelRepository(models, 'explicit');
  await Promise.all([explicit.load(anybody, 'a'), explicit.unload(anybody, 'a'), explicit.load(anybody, 'b')]);
  assert.deepEqual(
    done.filter((d) => d.endsWith('a')),
    ['load a', 'loaded a', 'unload a'],
  );
  assert.ok(done.indexOf('load b') < done.indexOf('unload a'), done.join());
});
