// Whatever JSON a request holds is read or refused, and nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isProblem } from '../../kernel/errors.ts';
import type { Args } from './args.ts';
import { fromQuery, readRequest, type Request } from './proto.ts';

const request: Request = {
  fields: {
    run_id: 'string',
    flag: 'bool',
    kind: new Map([
      ['A', 1],
      ['B', 2],
    ]),
    points: [{ key: 'string', value: 'double', step: 'int64', inner: { some_name: 'string' } }],
    names: ['string'],
  },
  rules: { run_id: ['required', 'string'], names: ['array', 'strings'], points: ['array'] },
};
const read = (raw: object): Args => readRequest(request, raw as never);

test('members come under their snake_case names, each of its type, and what the message does not have is passed over', () => {
  const a = read({
    runId: 'r',
    flag: true,
    kind: 'B',
    other: 1,
    points: [{ value: '1.5', step: '7', inner: { someName: 'x' } }],
    names: ['n'],
  });
  const [point] = a.list('points');
  assert.deepEqual([a.text('run_id'), a.bool('flag'), a.int('kind'), a.has('other'), a.texts('names')], ['r', true, 2, false, ['n']]);
  assert.deepEqual([point!.at.double('value'), point!.at.int('step'), point!.at.child('inner').text('some_name')], [1.5, 7, 'x']);
  for (const kind of ['C', null]) assert.equal(read({ run_id: 'r', kind }).has('kind'), false);
  assert.equal(read({ run_id: 'r', kind: '1' }).int('kind'), 1);
});

test('a refusal names the way to what could not be read', () => {
  for (const [raw, message] of [
    [{ run_id: 'r', points: [{}, { value: 'x' }] }, /"x" for parameter 'points\[1\]\.value'/],
    [{ run_id: 'r', points: [{ inner: { some_name: 5 } }] }, /5 for parameter 'points\[0\]\.inner\.some_name'/],
    [{ run_id: 'r', points: [null] }, /null for parameter 'points\[0\]' supplied:  Hint: Value was of type 'NoneType'/],
    [{ run_id: 'r', names: ['a', 1] }, /for parameter 'names' supplied:  Hint: Value was of type 'list'/],
    [{ run_id: '\ud800' }, /for parameter 'run_id'/],
    [{ run_id: 'a\0' }, /'run_id' supplied: it contains a NUL character/],
    [{ points: [{ value: 'x' }] }, /Missing value for required parameter 'run_id'/],
    [{ run_id: 'r', points: [{ inner: { some_name: 'a', someName: 'b' } }] }, /both 'some_name' and 'someName'/],
  ] as const)
    assert.throws(() => read(raw), { code: 'mlflow-parameter-invalid', message });
});

test('a query string has lists by repeated keys, the first of what is no list, and Python’s booleans', () => {
  assert.deepEqual(fromQuery(request.fields, 'run_id=a&run_id=b&names=x&names=y&flag=True&kind=2&runId=c&other=1'), {
    run_id: 'a',
    flag: true,
    kind: '2',
    names: ['x', 'y'],
  });
  assert.throws(() => fromQuery(request.fields, 'flag=maybe'), /Invalid boolean value: maybe/);
});

test('whatever JSON there is, it is read or refused', () => {
  const member = fc.constantFrom(
    'run_id',
    'runId',
    'flag',
    'kind',
    'points',
    'names',
    'key',
    'value',
    'step',
    'inner',
    '__proto__',
    'constructor',
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, '', 'A', 'NaN', '-Infinity', '1e400', '9'.repeat(30), 1e300, 2 ** 53, -0, 1.5),
      fc.string(),
      fc.double(),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(member, tie('value'), { maxKeys: 6 }),
    ),
  }));
  fc.assert(
    fc.property(fc.dictionary(member, value, { maxKeys: 8 }), (raw) => {
      try {
        const a = read(raw);
        assert.notEqual(a.text('run_id'), '');
        for (const { at } of a.list('points')) assert.ok(Number.isSafeInteger(at.int('step') ?? 0));
      } catch (error) {
        assert.ok(isProblem(error, 'mlflow-parameter-invalid'), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
