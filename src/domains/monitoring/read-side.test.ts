import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { parquet } from '../../../test/support/parquet.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { storeBlobs } from '../../kernel/blobs/blob-index.ts';
import { days, labels, openMonitor } from './fixtures/bench.ts';
import { at, inputs, registerWithBaseline, sendLabels } from './fixtures/records.ts';

interface Page {
  readonly items: readonly {
    id: string;
    kind: string;
    from: string;
    generation: number;
    headline: Record<string, { value: number | null; n: number }>;
  }[];
  readonly nextCursor: string | null;
}

eachDatabase('windows are read page by page, by kind, span and generation, and each with all its figures', async (t, kind) => {
  const b = await openMonitor(t, kind);
  await registerWithBaseline(b.ctx(), b.folder);
  await days(b, 0, 3);
  await labels(b, 0, 3);
  await b.advance(at(5));
  await sendLabels(b.ctx(), { fromUs: at(0), toUs: at(1), rows: 100, first: 0, number: 5000, label: '0' });
  await b.advance(at(5, 1));
  const get = async <T>(path: string): Promise<T> => {
    const { status, body } = await b.send<T>('GET', `/projects/demo${path}`);
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  };
  const list = await get<Page>('/monitors/e/windows');
  assert.deepEqual(
    list.items.map((w) => `${w.kind} ${w.from.slice(8, 10)} ${w.generation}`),
    ['data 04 1', 'performance 04 2', 'data 05 1', 'performance 05 1', 'data 06 1', 'performance 06 1', 'data 07 1', 'data 08 1'],
  );
  const seen: string[] = [];
  for (let cursor = ''; ;) {
    const page: Page = await get(`/monitors/e/windows?generations=all&limit=3${cursor}`);
    seen.push(...page.items.map((w) => w.id));
    if (page.nextCursor === null) break;
    cursor = `&cursor=${page.nextCursor}`;
  }
  assert.equal(seen.length, 9);
  assert.equal(new Set(seen).size, 9);
  const some = await get<Page>('/monitors/e/windows?kind=performance&from=2013-03-05T00:00:00Z&to=2013-03-06T00:00:00Z');
  assert.equal(some.items.length, 1);
  assert.ok(some.items[0]!.headline.roc_auc!.value! > 0.5 && some.items[0]!.headline.roc_auc!.n === 900);
  const whole = await get<{ figures: { metrics: Record<string, { ok: boolean; method: string }>; slices: unknown[]; pools: object } }>(
    `/monitors/e/windows/${some.items[0]!.id}`,
  );
  assert.deepEqual(Object.keys(whole.figures.metrics), ['roc_auc', 'log_loss', 'brier']);
  assert.ok(Object.values(whole.figures.metrics).every((m) => m.ok && m.method.length > 0));
  assert.equal(whole.figures.slices.length, 3);
  const data = await get<{ figures: { columns: { column: string; drift: { ok: boolean; threshold: number } }[] } }>(
    `/monitors/e/windows/${list.items[0]!.id}`,
  );
  assert.ok(data.figures.columns.every((c) => c.drift.ok && c.drift.threshold > 0));
  const monitors = await get<{ items: { name: string; lead: string; closedUntil: { data: string } }[] }>('/monitors');
  assert.deepEqual(
    monitors.items.map((m) => [m.name, m.lead, m.closedUntil.data]),
    [['e', '1', '2013-03-09T00:00:00.000Z']],
  );
  const baseline = await get<{
    rows: number;
    columns: { column: string; spread: object | null }[];
    performance: Record<string, { windows: number }>;
    estimates: boolean;
    lacks: string[];
  }>('/monitors/e/baseline');
  assert.deepEqual([baseline.rows, baseline.estimates, baseline.performance.roc_auc!.windows, baseline.lacks], [9000, true, 10, []]);
  assert.ok(baseline.columns.every((c) => c.spread !== null));
  for (const [path, code] of [
    ['/monitors/nope', 'monitor-not-found'],
    ['/monitors/e/windows/win_x', 'window-not-found'],
    ['/monitors/e/baseline?version=77', 'baseline-not-found'],
    ['/monitors/e/windows?cursor=x', 'cursor-invalid'],
    ['/findings?from=soon', 'invalid-input'],
  ] as const) {
    const { status, body } = await b.send<{ code: string }>('GET', `/projects/demo${path}`);
    assert.deepEqual([Math.floor(status / 100), body.code], [4, code]);
  }
});

test('a report compares a file with another, keeps what it read of the reference, and names what it cannot read', async (t) => {
  const b = await openMonitor(t, 'sqlite');
  const version = await registerWithBaseline(b.ctx(), b.folder);
  const reference = await parquet(`select ${inputs()}, i as only_there from range(5000) t(i)`);
  const current = await parquet(`select ${inputs(0.3, 0.3)}, 'new' as new from range(3000) t(i)`);
  await storeBlobs(b.ctx(), [reference, current]);
  const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  const report = async (asked: object) => b.send<Record<string, unknown>>('POST', '/projects/demo/monitoring/report', asked);
  const asked = { current: digest(current), reference: digest(reference) };
  const first = await report(asked);
  assert.equal(first.status, 200, JSON.stringify(first.body));
  const {
    reference: r,
    current: c,
    drifted,
    missing,
    added,
    columns,
  } = first.body as unknown as {
    reference: { rows: number; stored: boolean };
    current: { rows: number };
    drifted: string[];
    missing: string[];
    added: string[];
    columns: { column: string; current: { n: number; mean: number | null } }[];
  };
  assert.deepEqual([r.rows, r.stored, c.rows, drifted, missing, added], [5000, false, 3000, ['x'], ['only_there'], ['new']]);
  assert.deepEqual(
    columns.map((x) => [x.column, x.current.n]),
    [
      ['x', 3000],
      ['hour', 3000],
      ['origin', 3000],
    ],
  );
  const second = await report(asked);
  assert.deepEqual(second.body, { ...first.body, reference: { ...(first.body.reference as object), stored: true } });
  const ofModel = await report({ current: digest(current), reference: `${version.model}@${version.number}` });
  assert.deepEqual((ofModel.body as unknown as { drifted: string[] }).drifted, ['x']);
  for (const [wrong, code] of [
    [{ ...asked, current: 'nothing' }, 'report-table-unknown'],
    [{ ...asked, current: `${version.model}@${version.number}` }, 'report-table-unknown'],
    [{ ...asked, current: 'f'.repeat(64) }, 'blob-not-found'],
    [{ ...asked, reference: 'm@99' }, 'model-version-not-found'],
  ] as const) {
    const { status, body } = await report(wrong);
    assert.deepEqual([Math.floor(status / 100), body.code], [4, code]);
  }
  const odd = await parquet(`select 1 as other from range(100)`);
  await storeBlobs(b.ctx(), [odd]);
  assert.equal((await report({ ...asked, current: digest(odd) })).body.code, 'report-columns-none');
});
