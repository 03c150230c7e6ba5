import assert from 'node:assert/strict';
import { test } from 'node:test';
import { momentUs } from './training-table.ts';

test('A moment is a date or an ISO time to the microsecond, UTC without a zone; nothing is guessed', () => {
  const at = (value: string): number => momentUs('"at"', value);
  const day = Date.UTC(2013, 0, 31) * 1000;
  assert.equal(at('2013-01-31'), day);
  assert.equal(at('2013-01-31T00:00'), day);
  assert.equal(at('2013-01-31 10:30:01'), day + 37_801_000_000);
  assert.equal(at('2013-01-31T10:30:01.000001+10:30'), day + 1_000_001);
  assert.equal(at('2013-01-31t00:00:00.5z'), day + 500_000);
  for (const wrong of ['12', '2013', '20130131', 'Jan 31 2013', '2013-01-31T25:00:00Z', '2013-13-01', '2013-01-31Z', ''])
    assert.throws(() => at(wrong), { code: 'moment-invalid' }, wrong);
});
