// The rule, told once more in TypeScript and by brute force, against the table that training reads and the
// store that serving reads.
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { openControl, type TestControl } from '../../../test/support/control.ts';
import { eachDatabase, type DatabaseKind } from '../../../test/support/databases.ts';
import { duckdb, parquet } from '../../../test/support/parquet.ts';
import { currentVersion, inspectTable } from '../datasets/public.ts';
import { currentRevision, type SpineDefinition } from '../projects/public.ts';
import { openOnlineReader, type EntityKey } from './online-store.ts';
import { buildTrainingTable, materialiseViews, onlineStorePath } from './public.ts';

const SECOND = 1_000_000;
/** Microseconds of the first of January 2024. */
const BASE = Date.UTC(2024, 0, 1) * 1000;
const TTL = 10 * SECOND;

const project = `project: p
timeline: { mode: replay, start: 2024-01-01T00:00:00Z }
datasets:
  facts: { source: facts.parquet, key: [row], occurred_at: make_timestamp(occurred), known_at: make_timestamp(known) }
  asked: { source: asked.parquet, key: [row], occurred_at: make_timestamp(at_time), known_at: make_timestamp(landed) }
features:
  views:
    single: { dataset: facts, entity: [a], ttl: 10s, columns: [x, s] }
    pair: { dataset: facts, entity: [a, b], columns: [n, y], sql: pair.sql }
  services:
    all: { views: [single, pair], request: [a, b] }
`;
const files = {
  'gyre.yaml': project,
  'pair.sql': 'select a, b, x::hugeint as n, y, make_timestamp(occurred) as occurred_at, make_timestamp(known) as known_at from facts',
};

interface FactRow {
  readonly a: string | null;
  readonly b: number | null;
  readonly occurred: number;
  readonly known: number | null;
  readonly x: number | null;
  readonly y: number | null;
  readonly s: string | null;
}
interface Asked {
  readonly a: string;
  readonly b: number;
  readonly at: number;
}

const literal = (v: unknown): string =>
  v === null ? 'null' : typeof v === 'string' ? `'${v}'` : Number.isNaN(v) ? "'nan'::double" : String(v);
const valuesOf = (rows: readonly (readonly unknown[])[]): string => rows.map((r) => `(${r.map(literal).join(', ')})`).join(', ');
const factsFile = (facts: readonly FactRow[]): Promise<Buffer> =>
  parquet(
    `select row::integer as row, a::varchar as a, b::integer as b, occurred::bigint as occurred, known::bigint as known, x::integer as x, y::double as y, s::varchar as s
     from (values ${valuesOf(facts.map((f, i) => [i, f.a, f.b, f.occurred, f.known, f.x, f.y, f.s]))}) t(row, a, b, occurred, known, x, y, s)`,
  );
const askedFile = (
  asked: readonly Asked[],
  extra: (a: Asked, i: number) => [label: unknown, landed: number | null] = (a) => [1, a.at],
): Promise<Buffer> =>
  parquet(
    `select row::integer as row, a::varchar as a, b::integer as b, at_time::bigint as at_time, label::double as label, landed::bigint as landed
     from (values ${valuesOf(asked.map((q, i) => [i, q.a, q.b, q.at, ...extra(q, i)]))}) t(row, a, b, at_time, label, landed)`,
  );

const spine: SpineDefinition = {
  dataset: 'asked',
  at: 'make_timestamp(at_time)',
  label: 'label',
  where: null,
  between: ['2023-01-01', '2025-01-01'],
  knownBy: 'none',
};

type Row = Readonly<Record<string, unknown>>;

/** The training table by `row_key`, that is by the number of the asked row. */
async function table(c: TestControl, changed: Partial<SpineDefinition> = {}, service = 'all'): Promise<Map<number, Row>> {
  const { definition, snapshot } = await currentRevision(c.ctx, 'p');
  const datasets = Object.fromEntries(
    await Promise.all(['facts', 'asked'].map(async (name) => [name, (await currentVersion(c.ctx, 'p', name)).id] as const)),
  );
  const input = { definition, snapshot, service, spine: { ...spine, ...changed }, slices: [], datasets };
  return buildTrainingTable(c.ctx, input, async (made, path) => {
    const { columns, digest } = await inspectTable(c.ctx, 'the file', { files: [path] });
    assert.deepEqual([made.columns, made.digest], [columns, digest], 'what is told of the table is true of its file');
    const rows = await duckdb(`select * from read_parquet('${path}')`);
    return new Map(rows.map((r) => [Number(JSON.parse(r.row_key as string)[0]), r]));
  });
}

async function load(c: TestControl, facts: readonly FactRow[], asked: readonly Asked[]): Promise<void> {
  for (const [name, file] of [
    ['facts', await factsFile(facts)],
    ['asked', await askedFile(asked)],
  ] as const) {
    const pushed = await c.push('p', name, { [`${name}.parquet`]: file });
    assert.ok(pushed.status < 300, JSON.stringify(pushed.body));
  }
}

async function open(t: TestContext, kind: DatabaseKind): Promise<TestControl> {
  const c = await openControl(t, kind);
  const applied = await c.apply(files);
  assert.equal(applied.status, 200, JSON.stringify(applied.body));
  return c;
}

/** Of the facts known at t those that occurred last, of those the ones known last: one, or several that tie. */
function newest(facts: readonly FactRow[], keys: readonly ('a' | 'b')[], asked: Asked, ttlUs: number | null): FactRow[] {
  const known = facts.filter((f) => keys.every((k) => f[k] !== null && f[k] === asked[k]) && f.known !== null && f.known <= asked.at);
  const last = known.filter((f) => f.occurred === Math.max(...known.map((g) => g.occurred)));
  const chosen = last.filter((f) => f.known === Math.max(...last.map((g) => g.known!)));
  return chosen.filter((f) => ttlUs === null || f.occurred >= asked.at - ttlUs);
}
const number = (v: number | null): number | null => (v === null || Number.isNaN(v) ? null : v);
const allowed = (facts: readonly FactRow[], of: (f: FactRow) => readonly unknown[], width: number): string[] =>
  facts.length === 0 ? [JSON.stringify(Array(width).fill(null))] : facts.map((f) => JSON.stringify(of(f)));

async function compare(c: TestControl, facts: readonly FactRow[], asked: readonly Asked[]): Promise<void> {
  await materialiseViews(c.ctx, 'p');
  const path = onlineStorePath(c.ctx, 'p');
  const offline = await table(c);
  assert.equal(offline.size, asked.length, 'one row for each row of the spine');
  const reader = openOnlineReader(path);
  try {
    const online = (view: string, key: EntityKey, at: number, width: number): string =>
      JSON.stringify(reader.read(view, key, at)?.values ?? Array(width).fill(null));
    asked.forEach((q, i) => {
      const row = offline.get(i)!;
      const told = `row ${i}: ${JSON.stringify(q)}`;
      const single = JSON.stringify([row.x, row.s]);
      const pair = JSON.stringify([row.n, row.y]);
      assert.ok(allowed(newest(facts, ['a'], q, TTL), (f) => [f.x, f.s], 2).includes(single), `${told} gave ${single}`);
      assert.ok(allowed(newest(facts, ['a', 'b'], q, null), (f) => [f.x, number(f.y)], 2).includes(pair), `${told} gave ${pair}`);
      assert.equal(online('single', [q.a], q.at, 2), single, `${told}, online`);
      assert.equal(online('pair', [q.a, q.b], q.at, 2), pair, `${told}, online`);
    });
  } finally {
    reader.close();
  }
}

const moment = fc.tuple(fc.integer({ min: 0, max: 25 }), fc.constantFrom(0, 0, 1, -1)).map(([s, us]) => BASE + s * SECOND + us);
const key = { a: fc.constantFrom('1', '11', 'x'), b: fc.constantFrom(1, 11, 111) };
const fact: fc.Arbitrary<FactRow> = fc
  .record({
    a: fc.option(key.a, { freq: 10 }),
    b: fc.option(key.b, { freq: 10 }),
    occurred: moment,
    delay: fc.option(fc.integer({ min: -1, max: 8 }), { freq: 12 }),
    x: fc.option(fc.integer({ min: -3, max: 99 }), { freq: 5 }),
    y: fc.option(fc.constantFrom(0.5, -1, NaN, 1e300), { freq: 5 }),
    s: fc.option(fc.constantFrom('', 'ü', 'null'), { freq: 5 }),
  })
  .map(({ delay, ...f }) => ({ ...f, known: delay === null ? null : f.occurred + delay * SECOND }));
const asked: fc.Arbitrary<Asked> = fc.record({ a: fc.constantFrom('1', '11', 'x', 'nobody'), b: key.b, at: moment });

test('Training table, online store and the rule by brute force agree, through every later version of the data', async (t) => {
  const c = await open(t, 'sqlite');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fact, { minLength: 40, maxLength: 120 }),
      fc.array(asked, { minLength: 60, maxLength: 150 }),
      fc.integer({ min: 1, max: 20 }),
      async (facts, questions, late) => {
        await load(c, facts.slice(late), questions);
        await compare(c, facts.slice(late), questions);
        // Late arrivals come in the next version, and the store is brought from one to the other.
        await load(c, facts, questions);
        await compare(c, facts, questions);
      },
    ),
    { numRuns: 3, endOnFailure: true },
  );
});

const f = (a: string, occurred: number, known: number, x: number | null, b = 1): FactRow => ({
  a,
  b,
  occurred: BASE + occurred,
  known: BASE + known,
  x,
  y: null,
  s: null,
});

test('Edges: the first and last microsecond, corrections, older news, nulls, ties, keys that look alike', async (t) => {
  const c = await open(t, 'sqlite');
  const facts = [
    f('1', 0, 2 * SECOND, 1),
    f('1', SECOND, 3 * SECOND, null),
    f('1', SECOND, 4 * SECOND, 3), // a correction
    f('1', 500, 5 * SECOND, 4), // older news: left out
    f('x', 0, SECOND, 5),
    f('x', SECOND, SECOND, 6), // known at the same moment, occurred later
    f('1', 0, 0, 7, 11),
    f('11', 0, 0, 8, 1),
  ];
  const at = (a: string, when: number, b = 1): Asked => ({ a, b, at: BASE + when });
  const questions = [
    at('1', 2 * SECOND - 1, 111),
    at('1', 2 * SECOND),
    at('1', 3 * SECOND),
    at('1', 4 * SECOND),
    at('1', 6 * SECOND),
    at('1', SECOND + TTL),
    at('1', SECOND + TTL + 1),
    at('x', SECOND),
    at('nobody', SECOND),
    at('1', 0, 11),
    at('11', 0, 1),
    at('1', 4 * SECOND),
  ];
  await load(c, facts, questions);
  const rows = await table(c);
  assert.deepEqual(
    questions.map((_, i) => rows.get(i)!.x),
    [7, 1, null, 3, 3, 3, null, 6, null, 7, 8, 3],
  );
  assert.deepEqual([rows.get(9)!.n, rows.get(10)!.n, rows.get(0)!.n], [7, 8, null]);
  await compare(c, facts, questions);
});

test('A training cut-off takes only labels known by then; bounds take their first and not their last moment', async (t) => {
  const c = await open(t, 'sqlite');
  const questions = [0, 1, 2, 3, 4, 5].map((s): Asked => ({ a: 'x', b: 1, at: BASE + s * SECOND }));
  const outcomes: [unknown, number | null][] = [
    [1, BASE + 9 * SECOND],
    [0, BASE + 10 * SECOND],
    [1, BASE + 10 * SECOND + 1],
    [null, BASE],
    [1, null],
    [1, BASE],
  ];
  await c.push('p', 'facts', { 'facts.parquet': await factsFile([f('x', 0, 0, 1)]) });
  await c.push('p', 'asked', { 'asked.parquet': await askedFile(questions, (_, i) => outcomes[i]!) });
  const chosen = async (changed: Partial<SpineDefinition>): Promise<number[]> => [...(await table(c, changed)).keys()].sort();
  const iso = (s: number): string => new Date(BASE / 1000 + s * 1000).toISOString();
  assert.deepEqual(await chosen({ knownBy: iso(10) }), [0, 1, 5]);
  assert.deepEqual(await chosen({ knownBy: 'none' }), [0, 1, 2, 4, 5]);
  // Without a word it is the end of the span.
  assert.deepEqual(await chosen({ knownBy: null, between: [iso(0), iso(10)] }), [0, 1, 5]);
  assert.deepEqual(await chosen({ between: [iso(1), iso(5)] }), [1, 2, 4]);
  assert.deepEqual(await chosen({ where: 'label = 0' }), [1]);
  const [first] = await table(c, { label: 'label > 0.5', where: 'row = 1 or row = 2', between: ['2024-01-01', '2024-01-02'] });
  assert.deepEqual([first![1].label, first![1].at_us], [0, String(BASE + SECOND)]);
});

test('What cannot be joined is refused by name', async (t) => {
  const c = await open(t, 'sqlite');
  await load(c, [f('x', 0, 0, 1)], [{ a: 'x', b: 1, at: BASE }]);
  const refused = async (changed: Partial<SpineDefinition>, code: string, detail: RegExp, service = 'all'): Promise<void> =>
    assert.rejects(table(c, changed, service), (error: Error & { code: string }) => {
      assert.deepEqual(error.code, code, error.message);
      assert.match(error.message, detail);
      return true;
    });
  await refused({ between: ['2030-01-01', '2031-01-01'] }, 'training-table-empty', /No row of "asked"/);
  await refused({ between: ['soon', '2031-01-01'] }, 'moment-invalid', /first bound of "between" is "soon"/);
  await refused({ label: 'a' }, 'compute-sql-invalid', /Could not convert string 'x' to DOUBLE/);
  await refused({ label: 'nothing' }, 'compute-sql-invalid', /"nothing" not found/);
  await refused({}, 'feature-service-not-found', /no feature service "none"/, 'none');
  const change = async (from: string, to: string, sql = files['pair.sql']): Promise<void> => {
    const applied = await c.apply({ 'gyre.yaml': project.replace(from, to), 'pair.sql': sql });
    assert.equal(applied.status, 200, JSON.stringify(applied.body));
  };
  await change('request: [a, b]', 'request: [a, b, colour]');
  await refused({}, 'spine-column-missing', /no column "colour"/);
  await change('', '', 'select a, x as n, y, make_timestamp(occurred) as occurred_at, make_timestamp(known) as known_at from facts');
  await refused({}, 'feature-view-invalid', /"pair": its SELECT has no column "b"/);
  await change('', '', files['pair.sql'].replace('x::hugeint as n', 'interval 1 day as n'));
  await refused({}, 'feature-view-invalid', /column "n" is INTERVAL; a feature is a number, a text or a boolean/);
  await change('', '', files['pair.sql'].replace('select a, b,', 'select a, b::varchar as b,'));
  await refused({}, 'feature-view-invalid', /key "b" is a text, and in dataset "asked" it is a number/);
});

eachDatabase('The online store follows versions, definitions and accidents, and says the same as before', async (t, kind) => {
  const c = await open(t, kind);
  const questions = [0, 5, 30].map((s): Asked => ({ a: 'x', b: 1, at: BASE + s * SECOND }));
  const facts = Array.from({ length: 300 }, (_, i) => f(i % 2 ? 'x' : '1', i * 1000, i * 1000, i));
  await load(c, facts, questions);
  const added = async (): Promise<number[]> => (await materialiseViews(c.ctx, 'p')).map((v) => v.added);
  await c.drain();
  await compare(c, facts, questions);
  assert.deepEqual(await added(), [0, 0]);
  // The file is lost: it is made again.
  const path = onlineStorePath(c.ctx, 'p');
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  assert.deepEqual(await added(), [300, 300]);
  // A filler that is killed leaves what was there; the next one does the work.
  const abort = new AbortController();
  await load(c, [...facts, f('x', 4 * SECOND, 4 * SECOND, 900)], questions);
  abort.abort();
  const killed = materialiseViews({ ...c.ctx, signal: abort.signal }, 'p');
  await assert.rejects(killed);
  assert.ok(existsSync(path));
  await c.drain();
  await compare(c, [...facts, f('x', 4 * SECOND, 4 * SECOND, 900)], questions);
  // Rows that the next version lacks are gone online too.
  await load(c, facts.slice(0, 100), questions);
  await compare(c, facts.slice(0, 100), questions);
  // A longer TTL brings back what the shorter one hid; other columns are other values.
  const reader = openOnlineReader(path);
  const value = (): unknown => reader.read('single', ['x'], BASE + 60 * SECOND)?.values;
  assert.equal(value(), undefined);
  await c.apply({ ...files, 'gyre.yaml': project.replace('ttl: 10s', 'ttl: 2h') });
  await materialiseViews(c.ctx, 'p');
  assert.deepEqual(value(), [99, null]);
  await c.apply({ ...files, 'gyre.yaml': project.replace('ttl: 10s, columns: [x, s]', 'ttl: 2h, columns: [s, occurred]') });
  await materialiseViews(c.ctx, 'p');
  assert.deepEqual(value(), [null, BASE + 99_000]);
  reader.close();
});

eachDatabase('Online features are asked for by key and moment, and a wrong question is told what is wrong', async (t, kind) => {
  const c = await open(t, kind);
  await load(c, [f('x', 0, SECOND, 5)], [{ a: 'x', b: 1, at: BASE }]);
  const ask = (entities: object[], asOf?: string) =>
    c.call('POST', '/projects/p/features/all/online', { entities, ...(asOf ? { asOf } : {}) });
  await c.drain();
  assert.deepEqual((await c.call('POST', '/projects/p/features/materialise')).get('items'), [
    { view: 'single', rows: 1, added: 0 },
    { view: 'pair', rows: 1, added: 0 },
  ]);
  const found = await ask(
    [
      { a: 'x', b: 1 },
      { a: 'x', b: 2 },
      { a: 'nobody', b: 1 },
    ],
    '2024-01-01T00:00:01Z',
  );
  assert.deepEqual(found.get('items'), [
    { x: 5, s: null, n: 5, y: null },
    { x: 5, s: null, n: null, y: null },
    { x: null, s: null, n: null, y: null },
  ]);
  // The timeline of a replay stands at its start, before the fact is known.
  assert.deepEqual((await ask([{ a: 'x', b: 1 }])).body, {
    asOf: '2024-01-01T00:00:00.000Z',
    items: [{ x: null, s: null, n: null, y: null }],
  });
  const wrong = await ask([{ a: 1, b: 1 }, { a: 'x' }, { a: 'x', b: 1, c: 1 }]);
  assert.deepEqual(
    [wrong.status, wrong.faults],
    [
      400,
      [
        { pointer: '/entities/0/a', detail: 'must be a string' },
        { pointer: '/entities/1/b', detail: 'is missing: features are looked up by it; send a number' },
        { pointer: '/entities/2/c', detail: 'is not in "request" of the feature service' },
      ],
    ],
  );
  assert.equal((await ask([{ a: 'x', b: 1 }], 'yesterday')).status, 400);
  assert.equal((await c.call('POST', '/projects/p/features/none/online', { entities: [{ a: 'x' }] })).code, 'feature-service-not-found');
});
