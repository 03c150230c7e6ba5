// The bins of a numeric column: where a baseline puts its edges, and which bin a value is in.

const DEFAULT_BINS = 40;
const TAILS = [0.001, 0.005, 0.995, 0.999];
const FEW_VALUES = 20;

/** An edge between two neighbouring values: x <= edge holds for `a` and not for `b`. In the middle, so that a
 * value which lost digits on its way (float32, JSON) stays in its bin. */
function edgeBetween(a: number, b: number): number {
  const middle = a / 2 + b / 2;
  return middle >= a && middle < b ? middle : a;
}

/**
 * Inner edges for sorted finite values: one bin per distinct value where there are at most 20, else at most
 * `bins` bins of about equal mass, and four more edges in the tails, whose bins would be too wide for distances.
 * A frequent value gets a bin of its own; equal values are never parted.
 */
export function binEdges(sorted: Float64Array, bins = DEFAULT_BINS): { edges: number[]; values: number[] | null } {
  const distinct: number[] = [];
  for (let i = 0; i < sorted.length && distinct.length <= FEW_VALUES; i++)
    if (i === 0 || sorted[i] !== sorted[i - 1]) distinct.push(sorted[i]!);
  if (distinct.length <= FEW_VALUES) return { edges: distinct.slice(1).map((v, i) => edgeBetween(distinct[i]!, v)), values: distinct };
  const edges: number[] = [];
  let [held, left, cells] = [0, sorted.length, bins];
  for (let from = 0; from < sorted.length;) {
    let to = from + 1;
    while (to < sorted.length && sorted[to] === sorted[from]) to++;
    const target = left / cells;
    // Cut before this value when the bin is nearer to its target without it.
    if (held > 0 && cells > 1 && held + (to - from) - target > target - held) {
      edges.push(edgeBetween(sorted[from - 1]!, sorted[from]!));
      left -= held;
      cells -= 1;
      held = 0;
    }
    held += to - from;
    from = to;
  }
  for (const share of TAILS) {
    const at = Math.round(share * sorted.length);
    if (at > 0 && at < sorted.length && sorted[at - 1]! < sorted[at]!) edges.push(edgeBetween(sorted[at - 1]!, sorted[at]!));
  }
  return { edges: [...new Set(edges)].sort((a, b) => a - b), values: null };
}

/** Index of the bin that holds x. */
export function binOf(edges: readonly number[] | Float64Array, x: number): number {
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x <= edges[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}
