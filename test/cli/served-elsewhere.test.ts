// The page docs/served-elsewhere.md, done as it says: its project, its lines, against a server that runs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { folder, gyre, start, written, writeFiles } from './gyre.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/served-elsewhere.md'), 'utf8');
const project = /```yaml\n([^`]*)```/.exec(page)![1]!;
const [records, labels] = [...page.matchAll(/<<'LINES'\n([^`]*?)LINES/g)].map((m) => m[1]!);

test('A model served elsewhere is watched as the page says', async () => {
  const root = folder((remove) => after(remove));
  writeFiles(root, { 'gyre.yaml': project, 'records.ndjson': records!, 'labels.ndjson': labels!, 'labels.json': '[]' });
  const up = start(['up', '--dir', join(root, 'gyre'), '--port', '0'], { cwd: root });
  after(async () => {
    if (up.child.exitCode === null) up.child.kill('SIGKILL');
    await up.ended;
  });
  const url = (await written(up, /ready at (http:\S+)/))[1]!;
  const at = (...args: string[]) => gyre(...args, '--url', url, '--file', join(root, 'gyre.yaml'));
  const applied = await at('apply');
  assert.equal(applied.code, 0, applied.err);
  const posted = await fetch(`${url}/api/gyre/v1/projects/churn/monitors/churn/records`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: records!,
  });
  const { accepted, duplicates } = (await posted.json()) as { accepted: number; duplicates: number };
  assert.deepEqual([posted.status, accepted, duplicates], [200, 2, 0]);
  const file = (name: string): string => join(root, name);
  const sent = await at('monitor', 'send', 'churn', '--records', file('records.ndjson'), '--feedback', file('labels.ndjson'));
  assert.deepEqual([sent.code, sent.out.split('\n')[0]], [0, '0 records taken, 2 were there already'], sent.err);
  assert.match(sent.out, /^2 labels accepted \(fbk_\w+\)$/m);
  const again = await at('monitor', 'send', 'churn', '--feedback', file('labels.ndjson'), '--json');
  assert.equal((JSON.parse(again.out) as { feedback: { duplicate: boolean } }).feedback.duplicate, true);
  const batches = await at('monitor', 'batches', 'churn', '--json');
  assert.deepEqual(
    (JSON.parse(batches.out) as { rows: number; source: string }[]).map((b) => [b.rows, b.source]),
    [[2, 'api']],
  );
  assert.match((await at('monitor', 'batches', 'churn')).out, /^BATCH .*WAITING/m);
  const why = await at('why', 'prediction', 'c-1');
  assert.deepEqual(why.out.split('\n').slice(0, 2), [
    'score 0.12 by churn, model version 7, as of 2026-03-01T09:00:00.000Z',
    'inputs: country "DE", visits 3',
  ]);
  const report = await at('report', '--endpoint', 'churn', '--output', join(root, 'report.html'));
  assert.equal(report.code, 0, report.err);
  assert.match(readFileSync(join(root, 'report.html'), 'utf8'), /The monitor <b>churn<\/b> watches a model that is served elsewhere/);
  const refused = await Promise.all([
    at('monitor', 'send', 'churn'),
    at('monitor', 'send', 'churn', '--records', '-', '--feedback', '-'),
    at('monitor', 'send', 'churn', '--feedback', file('labels.json')),
    at('monitor', 'send', 'churn', '--feedback', file('no-such')),
  ]);
  assert.deepEqual(
    refused.map((r) => /\(([\w-]+)\)\n$/.exec(r.err)?.[1]),
    ['nothing-to-send', 'input-taken-twice', 'feedback-invalid', 'file-unusable'],
  );
});
