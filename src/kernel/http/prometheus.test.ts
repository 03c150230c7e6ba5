import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRegistry } from './prometheus.ts';

test('counters and gauges without labels are there from the beginning, those with labels when they are first counted', () => {
  const registry = openRegistry();
  const refused = registry.counter({ name: 'refused_total', help: 'By code', labels: ['code', 'who'] });
  const done = registry.counter({ name: 'done_total', help: 'All\nof them' });
  let held = 2;
  registry.watched({ name: 'held', help: 'Now' }, 'gauge', () => held);
  refused.inc({ code: 'a', who: 'x' });
  refused.inc({ who: 'x', code: 'a' }, 2);
  refused.inc({ code: 'b', who: 'x' });
  held = 3;
  assert.equal(
    registry.write(),
    `# HELP refused_total By code
# TYPE refused_total counter
refused_total{code="a",who="x"} 3
refused_total{code="b",who="x"} 1

# HELP done_total All\\nof them
# TYPE done_total counter
done_total 0

# HELP held Now
# TYPE held gauge
held 3
`,
  );
  done.inc();
  assert.match(registry.write(), /\ndone_total 1\n/);
});

test('a histogram counts in each bucket what is at most its bound', () => {
  const registry = openRegistry();
  const seconds = registry.histogram({ name: 'seconds', help: 'Took', labels: ['route'], buckets: [0.5, 1] });
  for (const value of [0.25, 0.5, 0.75, 5]) seconds.observe({ route: '/a' }, value);
  assert.deepEqual(registry.write().split('\n').slice(2), [
    'seconds_bucket{le="0.5",route="/a"} 2',
    'seconds_bucket{le="1",route="/a"} 3',
    'seconds_bucket{le="+Inf",route="/a"} 4',
    'seconds_sum{route="/a"} 6.5',
    'seconds_count{route="/a"} 4',
    '',
  ]);
});

test('a label holds any text', () => {
  const registry = openRegistry();
  registry.counter({ name: 'n', help: 'N', labels: ['text'] }).inc({ text: 'a"b\\c\nd' });
  assert.ok(registry.write().includes('n{text="a\\"b\\\\c\\nd"} 1\n'));
});
