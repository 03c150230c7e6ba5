import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clearDocument, type Matcher } from './service/redact.ts';

const m = (value: string, column = 'tailnum'): Matcher => ({
  subject: { kind: column, value, columns: [column] },
  values: [value],
  isRowKey: (key) => key === '["7"]',
  isPrediction: (id) => id === 'r1.a.0',
});
const clear = (text: string, value = 'N14228', column = 'tailnum') => clearDocument(text, m(value, column));

test('Rows go whole from records, split frames, columns and lines; others stay byte by byte where lines are kept', () => {
  assert.deepEqual(clear('[{"tailnum":"N14228"},{"tailnum":"N2"}]'), { text: '[{"tailnum":"N2"}]', removed: 1 });
  assert.deepEqual(clear('{"columns":["a","tailnum"],"index":[0,1],"data":[[1,"N14228"],[2,"N2"]]}'), {
    text: '{"columns":["a","tailnum"],"index":[1],"data":[[2,"N2"]]}',
    removed: 1,
  });
  assert.deepEqual(clear('{"tailnum":["N14228","N2"],"a":[1,2]}'), { text: '{"tailnum":["N2"],"a":[2]}', removed: 1 });
  assert.deepEqual(clear('{"row_key":"[\\"7\\"]","score":1}\n{ "row_key": "[\\"8\\"]" }\n'), {
    text: '{ "row_key": "[\\"8\\"]" }\n',
    removed: 1,
  });
  assert.deepEqual(clear('{"p":"r1.a.0","l":1}\n{"p":"r1.a.1","l":1}\n{"k":{"tailnum":"N14228"},"l":0}\n'), {
    text: '{"p":"r1.a.1","l":1}\n',
    removed: 2,
  });
  assert.deepEqual(clear('tailnum,note\nN14228,"a ""b"",\nc"\nN2,d\n'), { text: 'tailnum,note\nN2,d\n', removed: 1 });
  assert.deepEqual(clear('id;tailnum\r\n1;N14228\r\n2;N2\r\n'), { text: 'id;tailnum\r\n2;N2\r\n', removed: 1 });
});

test('A value by itself becomes a mark, as a name and within a sentence, and never within a longer word', () => {
  assert.deepEqual(
    clear('{"top":["N14228"],"counts":{"N14228":3},"why":"saw N14228, twice"}')?.text,
    '{"top":["[erased]"],"counts":{"[erased]":3},"why":"saw [erased], twice"}',
  );
  assert.equal(clear('xN14228 N142289 N14228x'), undefined);
  assert.equal(clear('plain text about N14228.')?.text, 'plain text about [erased].');
});

test('A short or plain number is looked for only where its column is named', () => {
  assert.equal(clear('{"seed":"42","n":42}', '42', 'customer'), undefined);
  assert.deepEqual(clear('[{"customer":42.0,"n":1},{"customer":"43","n":42}]', '42', 'customer'), {
    text: '[{"customer":"43","n":42}]',
    removed: 1,
  });
  assert.equal(
    clear('{"name":"customer","min":"42","max":"99"}', '42', 'customer')?.text,
    '{"name":"customer","min":"[erased]","max":"99"}',
  );
  assert.equal(clear('costs 42 pounds', '42', 'customer'), undefined);
});
