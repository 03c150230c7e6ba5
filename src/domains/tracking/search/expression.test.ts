import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eachDatabase, openPlatform } from '../../../../test/support/platform.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { createExperiment, createRun, logBatch, logInputs, setRunLifecycle, updateRun } from '../public.ts';
import { countRuns, findRuns, type PageAsked } from '../service/find-runs.ts';
import { parseExpression } from './expression.ts';
import { runLanguage } from './languages.ts';

interface Given {
  readonly m?: number;
  readonly p?: string;
  readonly t?: string;
  readonly end?: number;
  readonly data?: { readonly name: string; readonly context?: string };
}
const given: readonly Given[] = [
  { m: 1, p: 'x', t: 'red', end: 10, data: { name: 'd1', context: 'training' } },
  { m: 2.5, p: 'X', end: 20, data: { name: 'd2' } },
  { m: Number.NaN, p: 'xy', t: 'blue' },
  { p: '10', t: 'red', end: 30 },
  { m: -4, t: 'green', data: { name: 'd1' } },
  { m: Infinity, p: 'its' },
  {},
];

async function runsOf(ctx: Ctx): Promise<string> {
  const experimentId = await createExperiment(ctx, { name: 'e' });
  for (const [i, g] of given.entries()) {
    const run = await createRun(ctx, { experimentId, userId: 'ada', name: String(i), startMs: i === 3 ? null : 100 + i, tags: [] });
    await logBatch(ctx, run.id, {
      metrics: g.m === undefined ? [] : [{ key: 'm', value: g.m, timestampMs: 1, step: 0 }],
      params: g.p === undefined ? [] : [{ key: 'p', value: g.p }],
      tags: g.t === undefined ? [] : [{ key: 'a b', value: g.t }],
    });
    if (g.data) {
      const tags = g.data.context ? [{ key: 'mlflow.data.context', value: g.data.context }] : [];
      await logInputs(
        ctx,
        run.id,
        [{ name: g.data.name, digest: 'x', sourceType: 's', source: 's', schema: null, profile: null, tags }],
        [],
      );
    }
    if (g.end !== undefined) await updateRun(ctx, run.id, { endMs: g.end });
  }
  return experimentId;
}

const all = { lifecycle: 'active' as const, orderBy: ['attributes.run_name'], fields: ['info'], cursor: undefined, limit: 100 };
const namesOf = async (ctx: Ctx, asked: Partial<PageAsked> & { filter: string }): Promise<string> =>
  (await findRuns(ctx, { ...all, ...asked })).runs.map((r) => r.run.name).join('');

eachDatabase('everything can be asked with OR, NOT, IN, BETWEEN and IS NULL', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const experimentIds = [await runsOf(ctx)];
  const cases = {
    '': '0123456',
    'metrics.m > 0': '015',
    'not metrics.m > 0': '2346',
    'metrics.m != 1': '1245',
    'metrics.m IN (1, -4)': '04',
    'metrics.m NOT IN (1, -4)': '125',
    'metrics.m between 0 and 3': '012',
    'metrics.m NOT BETWEEN 0 AND 3': '45',
    'metrics.m BETWEEN 3 AND 0': '',
    'metrics.m IS NULL': '36',
    'metrics.m IS NOT NULL': '01245',
    "params.p IN ('x', 'xy')": '02',
    "params.p IN ('x')": '0',
    "params.p NOT IN ('x', 'xy')": '135',
    "params.p BETWEEN '1' AND 'a'": '13',
    "params.p LIKE 'x%' OR params.p = '10'": '023',
    "params.p NOT LIKE 'x%'": '135',
    "params.p NOT ILIKE 'x%'": '35',
    "params.p < 'x'": '135',
    'tags."a b" IS NULL and metrics.m is not null': '15',
    "tags.`a b` IN ('red', 'green') AND (metrics.m = 1 OR params.p = '10')": '03',
    "NOT (tags.`a b` = 'red' OR metrics.m >= 1)": '246',
    'NOT NOT metrics.m = 1': '0',
    'end_time IS NULL': '2456',
    'NOT end_time > 10': '02456',
    'end_time IN (10, 30)': '03',
    'start_time IS NULL OR end_time BETWEEN 15 AND 25': '13',
    "run_name NOT IN ('0', '1') AND run_name BETWEEN '1' AND '3'": '23',
    "status IN ('RUNNING') AND NOT (((run_name = '1')))": '023456',
    'dataset.name IS NULL': '2356',
    "dataset.name IN ('d1')": '04',
    "dataset.name != 'd1'": '1',
    'dataset.context IS NOT NULL': '0',
    'dataset.context IS NULL': '123456',
    "metrics.m = 1 OR metrics.m = -4 AND params.p IS NULL OR params.p = 'xy'": '024',
    'metrics.m = 1e999': '',
  };
  for (const [filter, expected] of Object.entries(cases)) {
    assert.equal(await namesOf(ctx, { experimentIds, filter }), expected, filter);
    const { count } = await countRuns(ctx, { experimentIds, filter, lifecycle: 'active' }, undefined);
    assert.equal(count, expected.length, `count of ${filter}`);
  }
  assert.equal(await namesOf(ctx, { filter: 'metrics.m = 1' }), '0', 'of all experiments');
  assert.equal(await namesOf(ctx, { experimentIds: [], filter: '' }), '');
});

type Plain = (g: Given) => boolean;
const simple: readonly (readonly [string, Plain])[] = [
  ['metrics.m > 1', (g) => g.m !== undefined && !Number.isNaN(g.m) && g.m > 1],
  ['metrics.m <= 0', (g) => g.m !== undefined && (Number.isNaN(g.m) || g.m <= 0)],
  ['metrics.m IS NULL', (g) => g.m === undefined],
  ["params.p = 'x'", (g) => g.p === 'x'],
  ["params.p ILIKE 'X%'", (g) => /^x/i.test(g.p ?? '')],
  ["tags.`a b` NOT IN ('red')", (g) => g.t !== undefined && g.t !== 'red'],
  ['end_time < 25', (g) => g.end !== undefined && g.end < 25],
  ["dataset.name = 'd1'", (g) => g.data?.name === 'd1'],
];
const expression: fc.Arbitrary<readonly [string, Plain]> = fc.letrec<{ e: readonly [string, Plain] }>((tie) => ({
  e: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(...simple),
    tie('e').map(([text, plain]) => [`NOT (${text})`, (g: Given) => !plain(g)] as const),
    fc.tuple(tie('e'), tie('e')).map(([[a, x], [b, y]]) => [`(${a}) AND (${b})`, (g: Given) => x(g) && y(g)] as const),
    fc.tuple(tie('e'), tie('e')).map(([[a, x], [b, y]]) => [`${a} OR ${b}`, (g: Given) => x(g) || y(g)] as const),
  ),
})).e;

eachDatabase('an expression finds what logic says, wherever the search begins', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const experimentIds = [await runsOf(ctx)];
  await fc.assert(
    fc.asyncProperty(expression, async ([filter, plain]) => {
      // OR binds less than NOT and AND, which stand around parentheses here.
      const expected = given.flatMap((g, i) => (plain(g) ? [i] : [])).join('');
      assert.equal(await namesOf(ctx, { experimentIds, filter }), expected);
      assert.equal((await countRuns(ctx, { experimentIds, filter, lifecycle: 'active' }, undefined)).count, expected.length);
    }),
    { numRuns: 120 },
  );
});

eachDatabase('pages go on behind the last run, whatever comes and goes meanwhile', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const experimentIds = [await runsOf(ctx)];
  for (const orderBy of [
    [],
    ['metrics.m DESC'],
    ['metrics.m'],
    ['params.p DESC', 'metrics.m'],
    ['tags."a b"'],
    ['end_time DESC'],
    ['start_time'],
    ['run_name DESC'],
  ]) {
    const whole = await namesOf(ctx, { experimentIds, filter: '', orderBy });
    let paged = '';
    for (let cursor: string | undefined, pages = 0; pages === 0 || cursor; pages++) {
      const page = await findRuns(ctx, { ...all, experimentIds, filter: '', orderBy, cursor, limit: 2 });
      paged += page.runs.map((r) => r.run.name).join('');
      cursor = page.nextCursor ?? undefined;
    }
    assert.equal(paged, whole, orderBy.join());
  }
  const asked = { ...all, experimentIds, filter: '', orderBy: ['run_name'], limit: 3 };
  const first = await findRuns(ctx, asked);
  await setRunLifecycle(ctx, first.runs[0]!.run.id, 'deleted');
  await createRun(ctx, { experimentId: experimentIds[0]!, userId: 'ada', name: '00', startMs: 1, tags: [] });
  const second = await findRuns(ctx, { ...asked, cursor: first.nextCursor! });
  assert.deepEqual(
    second.runs.map((r) => r.run.name),
    ['3', '4', '5'],
  );
  for (const cursor of ['x', first.nextCursor!.slice(3), Buffer.from('["a",1]').toString('base64url')])
    await assert.rejects(findRuns(ctx, { ...asked, cursor }), (e) => isProblem(e, 'page-token-invalid'));
  await assert.rejects(findRuns(ctx, { ...asked, filter: 'metrics.m = 1', cursor: first.nextCursor! }), (e) =>
    isProblem(e, 'page-token-invalid'),
  );
});

eachDatabase('only the fields asked for are read, and runs are counted by their values', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const experimentIds = [await runsOf(ctx)];
  const [run] = (
    await findRuns(ctx, { ...all, experimentIds, filter: "run_name = '0'", fields: ['metrics.m', 'params.q*', 'tags.mlflow.*'] })
  ).runs;
  assert.deepEqual(
    [run!.metrics.map((m) => [m.key, m.value]), run!.params, run!.tags.map((x) => x.key), run!.inputs],
    [[['m', 1]], [], ['mlflow.runName'], []],
  );
  const [whole] = (await findRuns(ctx, { ...all, experimentIds, filter: "run_name = '0'", fields: undefined })).runs;
  assert.deepEqual([whole!.params.map((p) => p.value), whole!.inputs.map((i) => i.name)], [['x'], ['d1']]);
  const count = (by: string | undefined, filter = '', lifecycle: 'active' | 'deleted' | 'all' = 'active') =>
    countRuns(ctx, { experimentIds, filter, lifecycle }, by);
  assert.deepEqual(await count('tags.a b'), {
    count: 7,
    groups: [
      { value: null, count: 3 },
      { value: 'red', count: 2 },
      { value: 'blue', count: 1 },
      { value: 'green', count: 1 },
    ],
  });
  assert.deepEqual(await count('status', 'metrics.m > 0'), { count: 3, groups: [{ value: 'RUNNING', count: 3 }] });
  assert.deepEqual(await count('params.p', 'metrics.m = 77'), { count: 0, groups: [] });
  await setRunLifecycle(ctx, run!.run.id, 'deleted');
  assert.deepEqual(
    [(await count(undefined)).count, (await count(undefined, '', 'deleted')).count, (await count(undefined, '', 'all')).count],
    [6, 1, 7],
  );
  for (const field of ['metric.m', 'info.name', 'params.', 'all'])
    await assert.rejects(findRuns(ctx, { ...all, experimentIds, filter: '', fields: [field] }), (e) => isProblem(e, 'field-unknown'));
  await assert.rejects(count('metrics.m'), (e) => isProblem(e, 'field-unknown'));
});

test('what cannot be read is refused with its column and how to mend it', () => {
  const cases: Readonly<Record<string, readonly [number, RegExp]>> = {
    'metrics.auc >> 3': [14, /a number is expected, not ">"/],
    'metrics.auc > "3"': [15, /a number is expected/],
    'params.depth = 6': [16, /text in quotes/],
    'params.depth': [13, /comparison .* is expected after params.depth, not the end/],
    "(status = 'x'": [14, /"\)" is missing for the "\(" of column 1/],
    "status = 'x')": [13, /AND or OR is expected, not "\)"/],
    "status = 'x' status = 'y'": [14, /AND or OR/],
    'metric.auc > 1 OR foo.bar = 2': [19, /"foo" is nothing that can be asked of/],
    "colour = 'red'": [1, /"colour" is not known/],
    'dataset.size = 3': [1, /"size" is not known of datasets; there are name, digest, context/],
    'metrics.a IN 3': [14, /list in parentheses, as in \(1, 2\)/],
    'metrics.a IN ()': [15, /empty/],
    "params.a IN ('x' 'y')": [18, /comma/],
    'metrics.a BETWEEN 1 OR 2': [21, /AND is expected, not "OR"/],
    "metrics.a LIKE 'x'": [11, /LIKE compares text/],
    'metrics.a IS 3': [14, /NULL or NOT NULL/],
    'metrics.a NOT 3': [15, /IN, BETWEEN, LIKE or ILIKE/],
    'AND metrics.a = 1': [1, /a name such as metrics.auc/],
    "params.a = 'x": [12, /quote is opened/],
    "status = 'x'; drop": [13, /AND or OR/],
    ['(' + '('.repeat(60)]: [52, /more than 50/],
    [Array(101).fill('metrics.a = 1').join(' OR ')]: [1701, /more than 100 comparisons/],
    'metrics. = 1': [1, /key is missing/],
  };
  for (const [filter, [column, detail]] of Object.entries(cases))
    assert.throws(
      () => parseExpression(runLanguage, filter),
      (e) => {
        assert.ok(isProblem(e, 'filter-invalid'), `${filter}: ${String(e)}`);
        assert.match(e.faults[0]!.detail, detail, filter);
        assert.equal(e.params.column, column, `${filter}: ${e.message}`);
        return true;
      },
    );
});

test('no text makes the parser fail in another way', () => {
  const words = fc.constantFrom(
    'metrics.a',
    'params.`b`',
    '=',
    '(',
    ')',
    'NOT',
    'AND',
    'OR',
    'IN',
    'IS',
    'NULL',
    'BETWEEN',
    "'x'",
    '1',
    ',',
    ';',
    '"',
    '`',
    '\\',
    'status',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words).map((w) => w.join(' ')),
      ),
      (filter) => {
        try {
          parseExpression(runLanguage, filter);
        } catch (e) {
          assert.ok(isProblem(e, 'filter-invalid'), String(e));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
