import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportHtml, reportMarkdown, reportRows, type DriftReport } from './drift-report.ts';

const summary = { n: 90, nulls: 10, mean: 1.5, sd: 1 };
const column = (name: string, value: number, drifted: boolean, broken = false): DriftReport['columns'][number] => ({
  column: name,
  kind: 'numeric',
  reference: summary,
  current: { ...summary, nulls: 30 },
  drift: { ok: true, method: 'js', value, corrected: value, threshold: 0.1, n: 90, m: 90, drifted },
  quality: [{ kind: 'nulls', share: 0.25, reference: 0.1, broken }],
});
const report: DriftReport = {
  reference: { name: 'a|b', rows: 100, stored: true },
  current: { name: '<script>', rows: 120 },
  columns: [column('calm', 0.01, false), column('far', 0.4, true), column('near', 0.2, true), column('holes', 0.01, false, true)],
  missing: ['gone'],
  added: [],
  drifted: ['far', 'near'],
  broken: ['holes'],
};

test('a report names what drifted or broke first, each with method, bound and rows', () => {
  const rows = reportRows(report);
  assert.deepEqual(
    rows.map((r) => [r[0], r[2]]),
    [
      ['far', 'drifted'],
      ['near', 'drifted'],
      ['holes', 'as before'],
      ['calm', 'as before'],
    ],
  );
  assert.deepEqual(rows[2]!.slice(3), ['0.01', '0.1', 'js', '90 / 90', '1.5 / 1.5', '25 % / 10 %', 'nulls 25 % (was 10 %)']);
});

test('names in a report are text, whatever they hold, and the page needs no script', () => {
  const html = reportHtml(report);
  assert.ok(!html.includes('<script') && html.includes('&lt;script&gt;'));
  assert.ok(!/\b(src|href)=/.test(html), 'it is one file');
  const markdown = reportMarkdown(report);
  assert.ok(markdown.includes('a\\|b') && markdown.includes('Missing: gone.'));
  assert.equal(markdown.split('\n').filter((l) => l.startsWith('| ')).length, 6);
});
