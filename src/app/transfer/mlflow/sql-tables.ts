// The tables of MLflow's database, read by the names of columns that there are: each of its versions has others.

export type Row = Readonly<Record<string, string | number | null>>;
export type Values = Readonly<Record<string, string | number>>;

export interface Tables {
  has(table: string, column?: string): Promise<boolean>;
  /** The columns that the table has of these; the others are null. */
  rows(table: string, columns: readonly string[], where?: Values, order?: string): Promise<Row[]>;
  /** Rows in the order of `keys`, which tell them apart, a page at a time: nothing is held open between two pages. */
  pages(table: string, columns: readonly string[], where: Values, keys: readonly string[]): AsyncIterable<Row[]>;
  count(table: string, where?: Values): Promise<number>;
  close(): Promise<void>;
}

/** What a kind of database does by itself. */
export interface Dialect {
  /** Columns of a table, none if there is no such table. */
  columns(table: string): Promise<readonly string[]>;
  /** The nth value in a statement, from 1. */
  placeholder(n: number): string;
  all(sql: string, values: readonly (string | number)[]): Promise<Row[]>;
  close(): Promise<void>;
}

const PAGE = 20_000;
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

export function tablesOf(dialect: Dialect): Tables {
  const columnsOf = new Map<string, Promise<ReadonlySet<string>>>();
  const columns = (table: string): Promise<ReadonlySet<string>> => {
    let found = columnsOf.get(table);
    if (!found) columnsOf.set(table, (found = dialect.columns(table).then((names) => new Set(names))));
    return found;
  };
  const listOf = (wanted: readonly string[], there: ReadonlySet<string>): string =>
    wanted.map((c) => (there.has(c) ? quoted(c) : `null as ${quoted(c)}`)).join(', ');
  const conditions = (where: Values, there: ReadonlySet<string>) => {
    const asked = Object.entries(where).filter(([column]) => there.has(column));
    return {
      texts: asked.map(([c], i) => `${quoted(c)} = ${dialect.placeholder(i + 1)}`),
      values: asked.map(([, v]) => v),
    };
  };
  const whereOf = (texts: readonly string[]): string => (texts.length === 0 ? '' : ` where ${texts.join(' and ')}`);

  return {
    has: async (table, column) => {
      const there = await columns(table);
      return column === undefined ? there.size > 0 : there.has(column);
    },
    rows: async (table, wanted, where = {}, order = '') => {
      const there = await columns(table);
      if (there.size === 0) return [];
      const { texts, values } = conditions(where, there);
      return dialect.all(
        `select ${listOf(wanted, there)} from ${quoted(table)}${whereOf(texts)}${order === '' ? '' : ` order by ${order}`}`,
        values,
      );
    },
    async *pages(table, wanted, where, keys) {
      const there = await columns(table);
      const order = keys.filter((k) => there.has(k));
      if (there.size === 0) return;
      const { texts, values } = conditions(where, there);
      const list = order.map(quoted).join(', ');
      let last: Row | undefined;
      do {
        const marks = order.map((_, i) => dialect.placeholder(values.length + i + 1)).join(', ');
        const page: Row[] = await dialect.all(
          `select ${listOf(wanted, there)} from ${quoted(table)}${whereOf(last ? [...texts, `(${list}) > (${marks})`] : texts)}
            order by ${list} limit ${PAGE}`,
          last ? [...values, ...order.map((k) => last![k]!)] : values,
        );
        if (page.length > 0) yield page;
        last = page.length < PAGE ? undefined : page.at(-1);
      } while (last);
    },
    count: async (table, where = {}) => {
      const there = await columns(table);
      if (there.size === 0) return 0;
      const { texts, values } = conditions(where, there);
      return Number((await dialect.all(`select count(*) as n from ${quoted(table)}${whereOf(texts)}`, values))[0]!.n);
    },
    close: () => dialect.close(),
  };
}

/** What a number cannot hold exactly stays a text: the ids of experiments have up to 18 digits. */
export const plainInteger = (value: bigint): string | number => (Number.isSafeInteger(Number(value)) ? Number(value) : String(value));
