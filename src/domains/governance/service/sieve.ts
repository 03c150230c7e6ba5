// Whether a text is worth taking apart: a search for bytes is a hundred times cheaper than reading JSON. It may say
// yes to what holds nothing, and never no to what does. Pure.

/** Written in one way only, in JSON as in CSV, unless somebody escapes letters; and no number, which has many forms. */
const isPlain = (text: string): boolean => /^[\w.:-]+$/.test(text) && /[a-z]/i.test(text) && Number.isNaN(Number(text));

/** More ids than this are looked up word by word, instead of one search for each. */
const SEARCHES = 32;

export function sieveOf(values: readonly string[], rowKeys: boolean, predictions: ReadonlySet<string>): (text: string) => boolean {
  if (!values.every(isPlain) || ![...predictions].every(isPlain)) return () => true;
  const few = predictions.size <= SEARCHES ? [...predictions] : undefined;
  return (text) => {
    if (text.includes('\\u') || values.some((v) => text.includes(v))) return true;
    if (rowKeys && text.includes('row_key')) return true;
    if (few) return few.some((id) => text.includes(id));
    for (const [word] of text.matchAll(/[\w.:-]+/g)) if (predictions.has(word)) return true;
    return false;
  };
}
