import assert from 'node:assert/strict';
import { test } from 'node:test';
import { windowLines, type WindowView } from './window-figures.ts';

const span = {
  id: 'win_1',
  monitor: 'fraud',
  from: '2026-08-16T00:00:00.000Z',
  to: '2026-08-17T00:00:00.000Z',
  generation: 1,
  version: 'v1',
};
const volume = { versions: [{ version: 'v1', records: 2000 }] };

test('a data window says what drifted and what is broken, by column', () => {
  const drift = (value: number, drifted: boolean) => ({ ok: true, method: 'js', value, threshold: 0.1, n: 2000, drifted });
  const w: WindowView = {
    ...span,
    kind: 'data',
    n: 2000,
    findings: 2,
    figures: {
      volume,
      errors: { ok: true, value: 0.001, n: 2000 },
      latency: { quantilesUs: { p50: 2972, p99: 7920 } },
      columns: [
        {
          column: 'age',
          kind: 'numeric',
          n: 806,
          quality: [{ kind: 'nulls', share: 0.597, reference: 0.0476, broken: true }],
          drift: drift(0.05, false),
        },
        {
          column: 'channel',
          kind: 'categorical',
          n: 2000,
          quality: [{ kind: 'new_categories', share: 0.1455, reference: 0, broken: true, examples: ['wbe'] }],
          drift: drift(0.2773, true),
        },
      ],
      prediction: { ok: false, reason: 'there is no baseline', n: 2000 },
      estimate: { roc_auc: { ok: true, value: 0.75, low: 0.72, high: 0.78, n: 2000, method: 'CBPE' } },
    },
  };
  const text = windowLines(w).join('\n');
  assert.match(text, /^data window of fraud, 2026-08-16 00:00 to 2026-08-17 00:00 UTC, generation 1 \(win_1\)/);
  assert.match(text, /p50 2\.972 ms, p99 7\.92 ms/);
  assert.match(text, /^age +numeric +806 +as before +0\.05 +0\.1 +js +59\.7 % \(4\.76 %\) +nulls 59\.7 %$/m);
  assert.match(text, /^channel .* drifted .* new categories 14\.5 %: wbe$/m);
  assert.match(text, /^\(score\) .*- \(there is no baseline\)/m);
  assert.match(text, /^roc_auc +0\.75 +0\.72 to 0\.78 +2,000 +CBPE$/m);
  assert.doesNotMatch(text, /[{}]/);
});

test('a performance window sets truth beside estimate, baseline and slices', () => {
  const auc = { ok: true, value: 0.66, n: 1900, method: 'DeLong', interval: { low: 0.63, high: 0.69 } };
  const w: WindowView = {
    ...span,
    kind: 'performance',
    n: 1900,
    findings: 1,
    figures: {
      volume,
      coverage: { ok: true, value: 0.95, n: 2000 },
      metrics: { roc_auc: auc, pr_auc: { ok: false, reason: 'one class', n: 1900 } },
      estimate: { roc_auc: { ok: true, value: 0.75, n: 2000 } },
      gaps: { roc_auc: { value: -0.09, band: 0.05, outside: true } },
      pools: {
        roc_auc: { ok: true, value: 0.66, n: 9600, windows: 5, baseline: 0.725, verdict: { ok: true, fallen: true, threshold: 0.695 } },
      },
      calibration: { bins: [{ n: 190, predicted: 0.01, observed: 0.02, low: 0.01, high: 0.05 }] },
      slices: [{ column: 'country', value: 'DE', n: 900, metrics: { roc_auc: auc } }],
    },
  };
  const text = windowLines(w).join('\n');
  assert.match(text, /labelled: 95 % of those with a score/);
  assert.match(text, /^roc_auc +0\.66 +0\.63 to 0\.69 +1,900 +0\.75 +-0\.09 \(band ±0\.05, outside\) +DeLong$/m);
  assert.match(text, /^pr_auc +- \(one class\)/m);
  assert.match(text, /^roc_auc +0\.66 +0\.725 +0\.695 +5 +9,600 +worse$/m);
  assert.match(text, /^country +DE +900 +0\.66 \(0\.63 to 0\.69\)$/m);
});
