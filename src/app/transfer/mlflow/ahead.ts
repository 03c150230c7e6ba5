const AT_ONCE = 8;

/** The results in order, some of them asked for at once. */
export async function* ahead<A, B>(items: readonly A[], ask: (item: A) => Promise<B>): AsyncGenerator<B> {
  const asked: Promise<B>[] = [];
  let next = 0;
  while (next < items.length || asked.length > 0) {
    while (next < items.length && asked.length < AT_ONCE) {
      const answer = ask(items[next++]!);
      // It is waited for in its turn; an earlier one may fail before.
      answer.catch(() => undefined);
      asked.push(answer);
    }
    yield await asked.shift()!;
  }
}
