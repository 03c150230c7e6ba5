// Whether a text is worth taking apart: a search for bytes is a hundred times cheaper than reading JSON. It may say
// yes to what holds nothing, and never no to what does. Pure.

import { isAnyCase } from '../../subjects/public.ts';

/** Written in one way only, in JSON as in CSV, unless somebody escapes letters; and no number, which has many forms. */
const isPlain = (text: string): boolean => /^[\w.:-]+$/.test(text) && /[a-z]/i.test(text) && Number.isNaN(Number(text));

/** More ids than this are looked up word by word, instead of all at once by one expression. */
const AT_ONCE = 1000;

export function sieveOf(values: readonly string[], rowKeys: boolean, predictions: ReadonlySet<string>): (text: string) => boolean {
  if (!values.every(isPlain) || ![...predictions].every(isPlain)) return () => true;
  // Sorted, so that the engine reads what ids begin with in common once; all letters but these stand for themselves.
  const finds = values.map((v) => {
    if (!isAnyCase(v)) return (text: string) => text.includes(v);
    const any = new RegExp(v.replaceAll('.', '\\.'), 'i');
    return (text: string) => any.test(text);
  });
  const escaped = [...predictions].sort().map((id) => id.replaceAll(/[.-]/g, '\\$&'));
  const ids = predictions.size > 0 && predictions.size <= AT_ONCE ? new RegExp(`(?:${escaped.join('|')})(?![\\w.:-])`) : undefined;
  return (text) => {
    if (text.includes('\\u') || finds.some((f) => f(text))) return true;
    if (rowKeys && text.includes('row_key')) return true;
    if (ids || predictions.size === 0) return ids?.test(text) ?? false;
    for (const [word] of text.matchAll(/[\w.:-]+/g)) if (predictions.has(word)) return true;
    return false;
  };
}
