import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleReport } from '../fixtures/sample-report.ts';
import type { Report } from '../model.ts';
import { escapeText, html } from './html.ts';
import { renderReport } from './page.ts';

const hostile = `"'><script>alert(1)</script><img src=x onerror=alert(2)><a href="javascript:alert(3)">\`&amp;</title></style></svg>{a|b}\u0000`;

/** Tags with their attributes, outside of the style sheet; enough of a parser for markup that our own templates make. */
const tags = (page: string): { name: string; attributes: Map<string, string> }[] =>
  [...page.replace(/<style>[\s\S]*?<\/style>/, '').matchAll(/<([a-zA-Z][\w-]*)((?:\s+[^\s=>/]+(?:="[^"]*")?)*)\s*\/?>/g)].map(
    ([, name, rest]) => ({
      name: name!.toLowerCase(),
      attributes: new Map([...rest!.matchAll(/([^\s=>/]+)(?:="([^"]*)")?/g)].map(([, key, value]) => [key!.toLowerCase(), value ?? ''])),
    }),
  );

const text = (page: string): string => page.replace(/<style>[\s\S]*?<\/style>/, '').replace(/<[^>]*>/g, ' ');

test('what a template is given is escaped, in text and in attributes; what a template made is not escaped twice', () => {
  const inner = html`<b>${'<i>'}</b>`;
  assert.equal(
    html`<p title="${'"<'}">${inner}${['a', '&', 3, null, undefined, false]}</p>`.text,
    '<p title="&quot;&lt;"><b>&lt;i&gt;</b>a&amp;3</p>',
  );
  assert.equal(escapeText("a\u0000b`'"), 'a\ufffdb&#96;&#39;');
});

test('no name, value or sentence of a user becomes markup', async () => {
  const harmless = tags(await renderReport(sampleReport('x'))).map((t) => t.name);
  const page = await renderReport(sampleReport(hostile));
  const found = tags(page);
  assert.deepEqual(
    found.map((t) => t.name).filter((n) => ['script', 'img', 'iframe', 'object', 'embed', 'link', 'base', 'form'].includes(n)),
    [],
  );
  // The same elements in the same order as for a harmless text: nothing was added, nothing broke out.
  assert.deepEqual(
    found.map((t) => t.name),
    harmless,
  );
  for (const { name, attributes } of found)
    for (const [key, value] of attributes) {
      assert.doesNotMatch(key, /^on/, `<${name} ${key}>`);
      if (key === 'href') assert.match(value, /^#[a-z]+$/);
    }
  assert.doesNotMatch(page, /<script/i);
});

test('the file needs nothing else: no request, no script, no address', async () => {
  const page = await renderReport(sampleReport('x'));
  for (const { name, attributes } of tags(page))
    for (const key of ['src', 'srcset', 'data', 'xlink:href', 'action', 'poster'])
      assert.equal(attributes.has(key), false, `<${name} ${key}>`);
  assert.doesNotMatch(page, /https?:|\/\/[a-z]|@import|javascript:/i);
  assert.deepEqual(
    [...page.matchAll(/url\(([^)]*)\)/g)].map((m) => m[1]).filter((u) => !u!.startsWith('#')),
    [],
  );
  assert.match(
    page,
    /http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;|http-equiv="Content-Security-Policy" content="default-src 'none'/,
  );
});

test('it has its sections, charts and tables, each chart with words for those who cannot see it', async () => {
  const page = await renderReport(sampleReport('x'));
  const outline = [...page.matchAll(/<h([123])[^>]*>([\s\S]*?)<\/h\1>/g)].map((m) => `${m[1]} ${m[2]!.trim()}`);
  assert.deepEqual(outline, [
    '1 x',
    '2 The loop: watched, retrained, replaced',
    '3 Alerts',
    '3 Retraining',
    '3 Gates',
    '3 Releases',
    '3 Erasure',
    '2 Data',
    '3 x, version 2',
    '2 Evaluation',
    '3 Metrics',
    '3 Slices',
    '3 Gate',
    '2 Predictions against truth',
    '3 Metrics in service',
    '3 What the model was given',
    '3 Latency',
    '2 The chain behind one prediction',
    '2 How to go on',
  ]);
  const drawings = tags(page).filter((t) => t.name === 'svg');
  assert.equal(drawings.length, 2 + 3 + 5 + 2 + 1 + 2);
  for (const { attributes } of drawings) {
    assert.equal(attributes.get('role'), 'img');
    assert.ok((attributes.get('aria-label') ?? '').length > 3);
  }
  const ids = [...page.matchAll(/ id="([^"]*)"/g)].map((m) => m[1]);
  assert.equal(new Set(ids).size, ids.length, 'ids are unique');
  for (const target of page.matchAll(/(?:href="|url\()#([\w-]+)/g)) assert.ok(ids.includes(target[1]), `#${target[1]} is there`);
});

test('every figure stands with its method, its time and its number of rows', async () => {
  const page = text(await renderReport(sampleReport('x'))).replace(/\s+/g, ' ');
  assert.match(page, /ROC AUC, evaluation 0\.700 95 % interval 0\.600 to 0\.800 \(x\), n = 100, 1 Mar 2013/);
  assert.match(
    page,
    /ROC AUC, in service 0\.\d{3} 95 % interval 0\.\d{3} to 0\.\d{3} \(DeLong, logit scale\), n = 60, 1 Mar 2013 to 3 Mar 2013/,
  );
  assert.match(
    page,
    /Positive: observed and predicted \d+\.\d % \/ \d+\.\d % Positive means x ?; observed 95 % interval .* \(Wilson\), n = 60/,
  );
});

test('a project without a model, predictions or data still makes a page that says so', async () => {
  const bare: Report = {
    ...sampleReport('x'),
    endpoint: null,
    model: null,
    datasets: [],
    evaluation: null,
    gate: null,
    live: { absent: 'The project declares no endpoint.' },
    chain: { absent: 'There is no prediction to trace yet.' },
  };
  const page = text(await renderReport(bare));
  for (const sentence of [
    'No model version is in service yet',
    'No dataset has a version yet',
    'has no evaluation made by Gyre',
    'declares no endpoint',
    'no prediction to trace',
  ])
    assert.ok(page.includes(sentence), sentence);
});

test('the same report gives the same bytes', async () => {
  assert.equal(await renderReport(sampleReport('x')), await renderReport(sampleReport('x')));
});
