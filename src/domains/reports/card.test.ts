import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderCard, type CardView } from './card.ts';
import { plain } from './documents/markdown.ts';
import { sampleReport } from './fixtures/sample-report.ts';

const cardOf = (text: string): CardView => {
  const { model, evaluation, gate } = sampleReport(text);
  return {
    model: model!,
    task: 'binary',
    project: { name: text, revision: 1, revisionId: 'rev_1' },
    endpoints: [text],
    training: {
      datasets: [{ name: text, number: 1, id: 'dsv_1', rows: 3, logicalDigest: 'd' }],
      pipelineRun: 'run_1',
      trackingRun: null,
      loggedModel: 'm-1',
      codeSnapshot: 'snap',
      commit: null,
    },
    environment: { digest: 'e', lockDigest: 'l', lockFile: text, python: 'CPython 3.11', platform: 'linux', packages: 4 },
    evaluation,
    gate,
    life: {
      baseline: { columns: 3, rows: 10 },
      baselines: [{ id: 'bsl_1', rows: 10, windowUs: 86_400_000_000, lacks: [text] }],
      releases: [{ id: 'rel_1', endpoint: text, state: 'rolled-back', atUs: 0, reason: text }],
      windows: { count: 2, findings: 1, last: { id: 'win_2', toUs: 0 } },
      alerts: [{ id: 'alr_1', rule: text, severity: 'page', firedUs: 0, resolvedUs: null }],
      harms: [{ release: 'rel_1', requests: 60, errors: 3, beyondStable: 2.5 }],
      erasures: ['ers_1'],
    },
  };
};

test('a card has its sections, and each figure its interval and its number of rows', () => {
  const card = renderCard(cardOf('x'));
  assert.deepEqual(
    [...card.matchAll(/^#+ .*$/gm)].map((m) => m[0]),
    [
      '# Model card: x, version 1',
      '## Intended use',
      '## Training data',
      '## Training',
      '## Evaluation',
      '### Slices: ROC AUC',
      '## Gate',
      '## In service',
      '## Known harms',
      '## Limits',
      '## Lineage',
    ],
  );
  assert.match(card, /\| ROC AUC \| 0\.7000 \| 0\.6000 to 0\.8000 \(95 %, x\) \| 100 \| higher \|/);
  assert.match(card, /let through by hand/);
  assert.doesNotMatch(card, /tracking run|commit/);
});

test('text of a user breaks no table, opens no tag and starts no heading', () => {
  const hostile = '| # <script>\n## heading | `code` [a](javascript:1)';
  const card = renderCard(cardOf(hostile));
  // Inside a code span a tag is only text.
  assert.doesNotMatch(card.replaceAll(/(`+) ?[\s\S]*?[^`]\1(?!`)/g, ''), /<script/);
  assert.match(renderCard(cardOf('``')), /``` `` ```/);
  assert.equal((card.match(/^## /gm) ?? []).length, 9);
  // Cells of a row are as many as its table has columns.
  for (const block of card
    .trimEnd()
    .split('\n\n')
    .filter((b) => b.startsWith('| '))) {
    const cells = block.split('\n').map((line) => line.replaceAll('\\|', '').split('|').length);
    assert.equal(new Set(cells).size, 1, block);
  }
  assert.equal(plain('- a\n*b*'), '\\- a \\*b\\*');
});

test('a version without evaluation, gate or environment says so instead of leaving them out', () => {
  const card = renderCard({ ...cardOf('x'), evaluation: null, gate: null, environment: null });
  for (const sentence of [
    'has no evaluation made by Gyre',
    'No decision about this version is recorded',
    'environment it was trained in is not recorded',
    'Nothing is known of how well',
  ])
    assert.ok(card.includes(sentence), sentence);
});

test('what became of a version is told with its evidence, and what nobody recorded is named as missing', () => {
  const card = renderCard(cardOf('x'));
  assert.match(card, /windows of 24 h with 10 rows.*`bsl_1`\).\n- Missing in that baseline: x/);
  assert.match(card, /`rel_1` \| x \| rolled-back/);
  assert.match(card, /failed 3 of them, 2\.5 more than/);
  assert.match(card, /erased since \(`ers_1`\)/);
  const life = {
    baseline: null,
    baselines: [],
    releases: [],
    windows: { count: 0, findings: 0, last: null },
    alerts: [],
    harms: [],
    erasures: [],
  };
  const bare = renderCard({ ...cardOf('x'), life });
  assert.match(bare, /Missing: a reference profile/);
  assert.match(bare, /Missing: a closed window/);
  assert.match(bare, /It was never released/);
});
