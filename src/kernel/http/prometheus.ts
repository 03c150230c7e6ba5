// Counters, gauges and histograms in Prometheus' text format. The usual client library loads OpenTelemetry with it, ninety
// modules for two processes that tell a dozen figures, and spends on each observation what a request spends on its body.

export type Labels = Readonly<Record<string, string | number>>;

interface Definition {
  readonly name: string;
  readonly help: string;
  /** The names of the labels, in the order in which they are written. */
  readonly labels?: readonly string[];
}

export interface MetricRegistry {
  readonly contentType: string;
  counter(definition: Definition): {
    inc: (labels?: Labels, by?: number) => void;
    /** The same for labels that are counted often. There is a figure from the first count on. */
    of: (labels: Labels) => (by: number) => void;
  };
  /** A figure that is read when somebody asks. */
  watched(definition: Definition, type: 'counter' | 'gauge', read: () => number): void;
  /** Figures with labels that are read when somebody asks. */
  sampled(definition: Definition, type: 'counter' | 'gauge', read: () => Iterable<readonly [Labels, number]>): void;
  histogram(definition: Definition & { readonly buckets: readonly number[] }): {
    observe: (labels: Labels, value: number) => void;
    /** The same for labels that are observed often: these are put together once. */
    of: (labels: Labels) => (value: number) => void;
  };
  write(): string;
}

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const number = (value: number): string => (value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value));

export function openRegistry(): MetricRegistry {
  const all: (() => string)[] = [];
  const add = ({ name, help }: Definition, type: string, lines: () => string[]): void =>
    void all.push(() => `${[`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`, ...lines()].join('\n')}\n`);
  return {
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    counter: (definition) => {
      const series = seriesOf(definition, () => ({ value: 0 }));
      add(definition, 'counter', () => series.all().map(([labels, { value }]) => line(definition.name, labels, value)));
      return {
        inc: (labels = {}, by = 1) => void (series.of(labels).value += by),
        of: (labels) => {
          let one: { value: number } | undefined;
          return (by) => void ((one ??= series.of(labels)).value += by);
        },
      };
    },
    watched: (definition, type, read) => add(definition, type, () => [line(definition.name, '', read())]),
    sampled: (definition, type, read) =>
      add(definition, type, () => {
        const series = seriesOf(definition, () => ({ value: 0 }));
        for (const [labels, value] of read()) series.of(labels).value = value;
        return series.all().map(([labels, { value }]) => line(definition.name, labels, value));
      }),
    histogram: ({ buckets, ...definition }) => {
      const { name } = definition;
      // The last bucket takes what is above all bounds.
      const series = seriesOf(definition, () => ({ counts: new Array<number>(buckets.length + 1).fill(0), sum: 0 }));
      add(definition, 'histogram', () =>
        series.all().flatMap(([labels, { counts, sum }]) => {
          let count = 0;
          const within = counts.map((n, i) =>
            line(`${name}_bucket`, `le="${number(buckets[i] ?? Infinity)}"${labels === '' ? '' : `,${labels}`}`, (count += n)),
          );
          return [...within, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, count)];
        }),
      );
      const into = (one: { counts: number[]; sum: number }, value: number): void => {
        let at = 0;
        while (at < buckets.length && value > buckets[at]!) at++;
        one.counts[at]! += 1;
        one.sum += value;
      };
      return {
        observe: (labels, value) => into(series.of(labels), value),
        of: (labels) => {
          let one: { counts: number[]; sum: number } | undefined;
          return (value) => into((one ??= series.of(labels)), value);
        },
      };
    },
    write: () => all.map((one) => one()).join('\n'),
  };
}

const line = (name: string, labels: string, value: number): string => `${name}${labels === '' ? '' : `{${labels}}`} ${number(value)}`;

/** The figures of a name by their labels; without labels there is one from the beginning. */
function seriesOf<T>(
  { labels: names = [] }: Definition,
  make: () => T,
): { of: (labels: Labels) => T; all: () => (readonly [string, T])[] } {
  const held = new Map<string, T>();
  if (names.length === 0) held.set('', make());
  return {
    of: (labels) => {
      let key = '';
      for (const name of names) key += `${key === '' ? '' : ','}${name}="${valueOf(labels[name])}"`;
      let one = held.get(key);
      if (one === undefined) held.set(key, (one = make()));
      return one;
    },
    all: () => [...held],
  };
}

const valueOf = (value: string | number = ''): string | number =>
  typeof value === 'number' ? value : /["\\\n]/.test(value) ? escaped(value).replaceAll('"', '\\"') : value;
