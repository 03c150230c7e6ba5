import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Ctx } from '../../kernel/ctx.ts';
import { eachDatabase, openPlatform } from '../../../test/support/platform.ts';
import { createExperiment, createRun, logBatch, logInputs, searchExperiments, searchRuns, setExperimentLifecycle } from './public.ts';
import { parseFilter } from './search/language.ts';
import { experimentLanguage, loggedModelLanguage, runLanguage } from './search/languages.ts';
import { parseOrder } from './search/sql.ts';

const query = { filter: '', view: 'ACTIVE_ONLY' as const, orderBy: ['attributes.run_name ASC'], offset: 0, limit: 100 };

/** Runs "0" to "4", each with what is at its place in the lists; undefined leaves it out. */
async function runsWith(
  ctx: Ctx,
  lists: {
    params?: readonly (string | undefined)[];
    metrics?: readonly (number | undefined)[];
    tags?: readonly (string | undefined)[];
    starts?: readonly (number | null)[];
  },
): Promise<(filter: string, orderBy?: readonly string[]) => Promise<string>> {
  const experiment = await createExperiment(ctx, { name: `e${Math.random()}` });
  const count = Math.max(...Object.values(lists).map((l) => l.length));
  for (let i = 0; i < count; i++) {
    const run = await createRun(ctx, {
      experimentId: experiment,
      userId: 'ada',
      name: String(i),
      startMs: lists.starts === undefined ? i : lists.starts[i]!,
      tags: [],
    });
    const [param, metric, tag] = [lists.params?.[i], lists.metrics?.[i], lists.tags?.[i]];
    await logBatch(ctx, run.id, {
      params: param === undefined ? [] : [{ key: 'p', value: param }],
      metrics: metric === undefined ? [] : [{ key: 'm', value: metric, timestampMs: 1, step: 0 }],
      tags: tag === undefined ? [] : [{ key: 't.a b', value: tag }],
    });
  }
  return async (filter, orderBy = query.orderBy) => {
    const found = await searchRuns(ctx, { ...query, experimentIds: [experiment], filter, orderBy });
    return found.runs.map((r) => r.run.name).join('');
  };
}

eachDatabase('patterns have two wildcards and no escapes; LIKE minds the case and ILIKE does not', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const find = await runsWith(ctx, { params: ['50%', '50 percent', 'a_b\\', 'A*b[c]', 'Äpfel?'] });
  const cases = {
    "params.p LIKE '50%'": '01',
    "params.p LIKE '%\\'": '2',
    "params.p LIKE 'a\\_b\\'": '',
    "params.p LIKE 'a_b_'": '2',
    "params.p LIKE 'A*b[c]'": '3',
    "params.p LIKE 'A?b[c]'": '',
    "params.p ILIKE 'a*B%'": '3',
    "params.p LIKE 'a*b%'": '',
    "params.p ILIKE 'Äpfel_'": '4',
    "params.p ILIKE 'äpfel%'": '',
    "params.p != '50%'": '1234',
    "params.p LIKE ''": '',
  };
  for (const [filter, expected] of Object.entries(cases)) assert.equal(await find(filter), expected, filter);
});

eachDatabase('numbers compare as numbers, whatever their size, and texts as texts', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const find = await runsWith(ctx, { starts: [0, 1, 2, null], metrics: [0.5, Number.NaN, -3, 1e300], params: ['10', '9'] });
  const cases = {
    'start_time > 0.5': '12',
    'start_time < 99999999999999999999999': '012',
    'attributes.start_time >= -99999999999999999999': '012',
    'metrics.m > 1e299': '3',
    'metrics.m < 1e999': '0123',
    'metrics.m = 0': '1',
    'metrics.m != 0': '023',
    'metrics.m >= -3 and metrics.m <= .5': '012',
    "params.p = '10'": '0',
    "params.p != 'x'": '01',
  };
  for (const [filter, expected] of Object.entries(cases)) assert.equal(await find(filter), expected, filter);
});

eachDatabase('what is missing comes last in both directions, NaN before it, and the newest run first', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const find = await runsWith(ctx, {
    metrics: [2, Number.NaN, undefined, 1, undefined],
    tags: ['b', undefined, 'a', 'c', undefined],
    starts: [10, 20, null, 30, 40],
  });
  assert.equal(await find('', ['metrics.m ASC']), '30142');
  assert.equal(await find('', ['metrics.m DESC']), '03142');
  assert.equal(await find('', ['tags.`t.a b`']), '20341');
  assert.equal(await find('', ['tags.`t.a b` DESC']), '30241');
  assert.equal(await find('', []), '43102');
  assert.equal(await find('', ['start_time asc']), '01342');
  assert.equal(await find('tags."t.a b" IS NULL', []), '41');
});

eachDatabase('dataset contexts are compared as they are, with every operator', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const experiment = await createExperiment(ctx, { name: 'e' });
  for (const [name, context] of [
    ['0', 'train'],
    ['1', 'Train_2'],
    ['2', '%"'],
  ] as const) {
    const run = await createRun(ctx, { experimentId: experiment, userId: '', name, startMs: 1, tags: [] });
    const tags = [{ key: 'mlflow.data.context', value: context }];
    await logInputs(ctx, run.id, [{ name: 'd', digest: name, sourceType: '', source: '', schema: null, profile: null, tags }], []);
  }
  const find = async (filter: string) =>
    (await searchRuns(ctx, { ...query, experimentIds: [experiment], filter })).runs.map((r) => r.run.name).join('');
  assert.equal(await find("dataset.context = 'train'"), '0');
  assert.equal(await find("dataset.context LIKE 'train%'"), '0');
  assert.equal(await find("datasets.context ILIKE 'TRAIN%'"), '01');
  assert.equal(await find("dataset.context IN ('train', '%\"')"), '02');
  assert.equal(await find("dataset.context != 'train' AND dataset.digest NOT IN ('2')"), '1');
});

eachDatabase('pages join without gaps and say when another follows', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.push(await createExperiment(ctx, { name: `page ${i}`, tags: [{ key: 'i', value: String(i) }] }));
  await setExperimentLifecycle(ctx, ids[4]!, 'deleted');
  const find = (offset: number, more: object = {}) =>
    searchExperiments(ctx, { filter: "name LIKE 'page%'", view: 'ACTIVE_ONLY', orderBy: ['name'], offset, limit: 2, ...more });
  const pages = [await find(0), await find(2), await find(4)];
  assert.deepEqual(
    pages.map((p) => [p.experiments.map((e) => e.name), p.more]),
    [
      [['page 0', 'page 1'], true],
      [['page 2', 'page 3'], false],
      [[], false],
    ],
  );
  assert.deepEqual((await find(0, { filter: "tags.i = '3'" })).experiments[0]!.tags, [{ key: 'i', value: '3' }]);
  assert.equal((await find(0, { view: 'ALL', limit: 50 })).experiments.length, 5);
  // All were made at one moment: the lower number comes first.
  assert.deepEqual(
    (await find(0, { orderBy: [] })).experiments.map((e) => e.name),
    ['page 0', 'page 1'],
  );
});

eachDatabase('what is too much for one query is refused, and the most that is not is answered', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const many = (n: number, item: (i: number) => string): string[] => Array.from({ length: n }, (_, i) => item(i));
  const ask = async (clauses: number, orders: number, experiments: number): Promise<unknown> => {
    const asked = {
      ...query,
      filter: many(clauses, (i) => `tags.a${i} = '1'`).join(' AND '),
      orderBy: many(orders, (i) => `metrics.m${i} DESC`),
      experimentIds: many(experiments, String),
    };
    return (await searchRuns(ctx, asked)).runs;
  };
  assert.deepEqual(await ask(100, 100, 10_000), []);
  for (const tooMuch of [() => ask(101, 1, 1), () => ask(1, 101, 1), () => ask(1, 1, 10_001)])
    await assert.rejects(tooMuch, { code: 'tracking-invalid' });
});

test('the language refuses what it does not have, in MLflow’s words', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["metrics.m > 'a'", /Expected numeric value type for metric\. Found 'a'/],
    ['params.p = 1', /Expected a quoted string value for parameter \(e\.g\. 'my-value'\)\. Got value 1/],
    ['params.p = x', /either not quoted or unidentified quote types used for string value x/],
    ["params.p IN ('a')", /Expected a quoted string value for parameter \(e\.g\. 'my-value'\)\. Got value \('a'\)/],
    ["metrics.m LIKE 'a'", /Expected numeric value type for metric\. Found 'a'/],
    ['metrics.m == 1', /Invalid comparator '==' not one of/],
    ['metrics.m <> 1', /Invalid comparator '<>' not one of/],
    ['1 < metrics.m', /Invalid comparison clause\. Expected 'Identifier' found '1'/],
    ['run_id IN ()', /expected a non-empty list of string values, but got empty list/],
    ["experiment_id = '1'", /Invalid attribute key 'experiment_id'/],
    ["foo.bar = 'a'", /Invalid entity type 'foo'\. Valid values are \['metric', 'parameter', 'tag', 'attribute', 'dataset'\]/],
    ["NOT params.p = 'a'", /Invalid clause\(s\)/],
    ["params.p > '1'", /Invalid comparator '>' not one of/],
    ["status IN ('a')", /Only \['run_id'\] attributes support comparison with a list/],
    ['run_id IN (1)', /While parsing a list/],
    ["run_id = ('a')", /Expected a quoted string value/],
    ["colour = 'a'", /Invalid attribute key 'colour'/],
    ["constructor = 'a'", /Invalid attribute key/],
    ["constructor.x = 'a'", /Invalid entity type 'constructor'/],
    ["dataset.constructor = 'a'", /Invalid dataset key/],
    ['metrics.m > 1 OR metrics.m < 2', /Invalid clause\(s\) in filter string/],
    ['(metrics.m > 1)', /Invalid clause\(s\)/],
    ["'a' = 'a'", /Invalid comparison clause\. Expected 'Identifier' found ''a''/],
    ['metrics.m > 1 AND', /Invalid clause\(s\)/],
    ['AND metrics.m > 1', /Invalid|Expected/],
    ['metrics.m', /Invalid clause\(s\)/],
    ["params.p = 'a", /Invalid clause\(s\)/],
    ['metrics.m > 1; metrics.m < 2', /Search filter contained multiple expression/],
    ['metrics.m IS NULL', /IS NULL \/ IS NOT NULL is only supported for tags and params/],
    ['tags.t IS MAYBE', /Invalid clause\(s\)/],
    [`name = '${'x'.repeat(50_000)}'`, /longer than/],
  ];
  for (const [filter, message] of cases)
    assert.throws(() => parseFilter(runLanguage, filter), { code: 'tracking-invalid', message }, filter.slice(0, 50));
  assert.deepEqual(parseFilter(runLanguage, ' metrics.m > 1 ; '), [{ entity: 'metric', key: 'm', op: '>', value: 1 }]);
  assert.deepEqual(parseFilter(runLanguage, 'tags.a.b.c = "it\'s"'), [{ entity: 'tag', key: 'a.b.c', op: '=', value: "it's" }]);
  assert.deepEqual(parseFilter(runLanguage, "tags.t = 'it''s'"), [{ entity: 'tag', key: 't', op: '=', value: "it''s" }]);
  for (const order of ['a b c', '', 'metrics.a b/c', 'metrics.a,metrics.b', '-metrics.a', 'DESC'])
    assert.throws(() => parseOrder(runLanguage, [order]), { code: 'tracking-invalid', message: /Could not be parsed/ }, order);
  assert.throws(() => parseOrder(runLanguage, ['m SIDEWAYS']), /Invalid ordering key in order_by clause 'm SIDEWAYS'/);
  assert.throws(() => parseOrder(runLanguage, ['start_time', 'created DESC']), {
    code: 'order-repeated',
    message: "`order_by` contains duplicate fields: ['start_time', 'created DESC']",
  });
});

test('whatever is typed is parsed or refused, and nothing else', () => {
  const word = fc.constantFrom(
    ...[
      'metrics.',
      'tags.',
      '`a b`',
      '"',
      "'",
      'x',
      '=',
      '!=',
      'LIKE',
      'IN',
      '(',
      ')',
      ',',
      'AND',
      'IS',
      'NOT',
      'NULL',
      '1',
      '-',
      ';',
      ' ',
      '.',
    ],
  );
  const text = fc.oneof(
    fc.array(word, { maxLength: 12 }).map((w) => w.join(' ')),
    fc.string(),
    fc.array(word, { maxLength: 8 }).map((w) => w.join('')),
  );
  fc.assert(
    fc.property(text, (filter) => {
      for (const language of [runLanguage, experimentLanguage, loggedModelLanguage])
        for (const parse of [() => parseFilter(language, filter), () => parseOrder(language, [filter])])
          try {
            parse();
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'tracking-invalid', filter);
          }
    }),
    { numRuns: 500 },
  );
});
