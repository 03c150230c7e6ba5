// The page token of a search of logged models. It holds what was searched, and is refused for another search.
import { isDeepStrictEqual } from 'node:util';
import { invalid } from '../wire.ts';

export interface ModelSearch {
  readonly experiment_ids: readonly string[];
  readonly filter_string: string | null;
  readonly order_by:
    | readonly {
        readonly field_name: string;
        readonly ascending: boolean;
        readonly dataset_name: string | null;
        readonly dataset_digest: string | null;
      }[]
    | null;
}

export const encodeModelToken = (search: ModelSearch, offset: number): string =>
  Buffer.from(JSON.stringify({ ...search, offset })).toString('base64');

/** The offset in a token of this very search; 0 without one. Raises `mlflow-parameter-invalid`. */
export function decodeModelToken(token: string, search: ModelSearch): number {
  if (token === '') return 0;
  let found: Partial<ModelSearch & { offset: unknown }>;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64').toString());
    if (typeof parsed !== 'object' || parsed === null) throw new SyntaxError('not an object');
    found = parsed;
  } catch {
    return invalid(`Invalid page token: ${token}.`);
  }
  const check = (what: string, name: string, wanted: unknown, given: unknown): void => {
    if (!isDeepStrictEqual(wanted, given))
      invalid(
        `${what} in the page token do${what.endsWith('IDs') ? '' : 'es'} not match the requested ${name}. Expected: ${JSON.stringify(wanted)}. Found: ${JSON.stringify(given ?? null)}`,
      );
  };
  check('Experiment IDs', 'experiment IDs', search.experiment_ids, found.experiment_ids);
  check('Filter string', 'filter string', search.filter_string, found.filter_string || null);
  check('Order by', 'order by', search.order_by, found.order_by ?? null);
  const offset = Number(found.offset ?? 0);
  return Number.isSafeInteger(offset) && offset >= 0 ? offset : invalid(`Invalid page token: ${token}.`);
}
