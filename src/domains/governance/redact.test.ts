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

test('A value that may be anything is taken out of a text where its column is named before it, and nowhere else', () => {
  assert.equal(
    clear('saw {"customer": 42, "n": 42}, customer=42; customer: "42.0" (customers=42, customer=421, customer=42.5)', '42', 'customer')
      ?.text,
    'saw {"customer": [erased], "n": 42}, customer=[erased]; customer: "[erased]" (customers=42, customer=421, customer=42.5)',
  );
  assert.equal(clear('{"note":"customer=42"}', '42', 'customer')?.text, '{"note":"customer=[erased]"}');
});

test('Numbers that JavaScript would write in other figures stay as they were written', () => {
  const text = '{"tailnum":"N2","big":12345678901234567890,"one":1.0,"small":1e-400,"zero":-0,"long":0.1234567890123456789}';
  assert.equal(clear(`[{"tailnum":"N14228"},${text}]`)?.text, `[${text}]`);
  assert.deepEqual(clear('[{"id":9007199254740993},{"id":9007199254740992}]', '9007199254740993', 'id'), {
    text: '[{"id":9007199254740992}]',
    removed: 1,
  });
});

test('A value is cleared in the other case where case says nothing, with its letters escaped, and behind an escaped line break', () => {
  assert.equal(clear('to ANN@x.org and <Ann@X.org>', 'ann@x.org')?.text, 'to [erased] and <[erased]>');
  assert.equal(clear('n14228 N14228', 'N14228')?.text, 'n14228 [erased]');
  assert.equal(clear('log: {"a":"Zo\\u00eb said\\nZoë Lo"}', 'Zoë Lo')?.text, 'log: {"a":"Zo\\u00eb said\\n[erased]"}');
});
