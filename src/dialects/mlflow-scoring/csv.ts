// A body of CSV, as `DataFrame.to_csv()` writes it: a header, then a row per line. Parsed by the package csv-parse (RFC 4180 with
// quotes, line breaks in cells and a byte order mark), which is loaded with the first such body. Reference for what stands for
// a missing value: pandas documentation, `read_csv`, "na_values".
import { isUtf8 } from 'node:buffer';
import { refuseBody } from '../../domains/serving/data-plane.ts';
import type { Invocation } from './body.ts';

const MISSING = new Set(
  ' #N/A #N/A_N/A #NA -1.#IND -1.#QNAN -NaN -nan 1.#IND 1.#QNAN <NA> N/A NA NULL NaN None n/a nan null'
    .split(' ')
    .map((text) => text.replace('_', ' ')),
);

/** Raises `prediction-body-invalid`. */
export async function readCsv(body: Buffer): Promise<Invocation> {
  if (!isUtf8(body)) return refuseBody('it is not UTF-8.');
  const { parse } = await import('csv-parse/sync');
  let lines: string[][];
  try {
    lines = parse(body, { bom: true, relax_column_count_less: true, skip_empty_lines: true });
  } catch (error) {
    return refuseBody(`it is not CSV with a header: ${(error as Error).message.slice(0, 200).replace(/\.$/, '')}.`);
  }
  const [header, ...rows] = lines;
  if (!header) return refuseBody('it is empty; send a header and a row for each prediction.');
  if (rows.length === 0) return refuseBody('there is a header and no row behind it.');
  // An index that was written along has no name in the header.
  const kept = header.flatMap((name, c) => (name === '' ? [] : [c]));
  const columns = kept.map((c) => header[c]!);
  if (new Set(columns).size !== columns.length) return refuseBody('the header names a column twice.');
  return {
    input: {
      form: 'table',
      columns,
      rows: rows.map((row) => kept.map((c) => (MISSING.has(row[c] ?? '') ? null : row[c]!))),
      texts: true,
    },
    params: undefined,
    pointer: (i) => `/${i}`,
  };
}
