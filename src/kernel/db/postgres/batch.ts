// Several statements in one message to PostgreSQL and its answers in one message back. What comes after a statement that
// failed is passed over by the server, up to the end of the message (extended query protocol, Sync).
import type pg from 'pg';

export interface Statement {
  readonly text: string;
  readonly values: readonly (string | Buffer | null)[];
  /** Kept prepared on the connection under this name, which no other text may have. */
  readonly name?: string | undefined;
}

export interface Result {
  readonly rows: Record<string, unknown>[];
  readonly command: string;
  readonly count: number | undefined;
}

/** Answers of the statements before the one that failed, and why it did. */
export interface Outcome {
  readonly results: readonly Result[];
  readonly error?: unknown;
}

type TypeParser = (oid: number) => (text: string) => unknown;
interface Columns {
  readonly names: readonly string[];
  readonly parsers: readonly ((text: string) => unknown)[];
}

/** What a connection has prepared: the columns that it answers, null for none; `unsure` where that was not confirmed. */
const prepared = new WeakMap<object, Map<string, Columns | null | 'unsure'>>();

/** Never rejects. Waits no longer than `patienceMs` for each of them. */
export const runBatch = (
  client: pg.PoolClient,
  statements: readonly Statement[],
  typeParser: TypeParser,
  patienceMs = 0,
): Promise<Outcome> =>
  new Promise((resolve) => {
    let known = prepared.get(client);
    if (!known) prepared.set(client, (known = new Map()));
    client.query(new Batch(statements, known, typeParser, patienceMs * statements.length, resolve) as unknown as pg.Submittable);
  });

/** The part of the driver's connection that is used here, as its own cursors use it. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void; destroy(error: unknown): void };
  parse(statement: { text: string; name: string }): void;
  bind(portal: { statement: string; values: readonly (string | Buffer | null)[] }): void;
  describe(portal: { type: 'P' }): void;
  execute(portal: object): void;
  close(statement: { type: 'S'; name: string }): void;
  sync(): void;
}

class Batch {
  readonly query_timeout: number;
  readonly results: Result[] = [];
  callback: (error: unknown) => void;
  private readonly statements: readonly Statement[];
  private readonly prepared: Map<string, Columns | null | 'unsure'>;
  private readonly typeParser: TypeParser;
  /** By the place of their statements; those of the first time are kept when all went well. */
  private readonly columns: (Columns | null)[] = [];
  private readonly unsure: number[] = [];
  private rows: Record<string, unknown>[] = [];
  private fault: unknown;

  constructor(
    statements: readonly Statement[],
    known: Map<string, Columns | null | 'unsure'>,
    typeParser: TypeParser,
    timeoutMs: number,
    settle: (outcome: Outcome) => void,
  ) {
    this.statements = statements;
    this.prepared = known;
    this.typeParser = typeParser;
    this.query_timeout = Math.min(timeoutMs, LONGEST_TIMER_MS);
    // The driver puts its own in front, for the time limit.
    this.callback = (error) => settle(error ? { results: this.results, error } : { results: this.results });
  }

  submit(wire: Wire): null {
    wire.stream.cork();
    try {
      for (const [i, { text, values, name = '' }] of this.statements.entries()) {
        const kept = name === '' ? undefined : this.prepared.get(name);
        this.columns[i] = null;
        if (kept === undefined || kept === 'unsure') {
          // Whether it is there cannot be asked; to close what is not there is no error.
          if (kept) wire.close({ type: 'S', name });
          wire.parse({ text, name });
          if (name !== '') {
            this.prepared.set(name, 'unsure');
            this.unsure.push(i);
          }
        } else this.columns[i] = kept;
        wire.bind({ statement: name, values });
        if (kept === undefined || kept === 'unsure') wire.describe({ type: 'P' });
        wire.execute({});
      }
      wire.sync();
    } catch (error) {
      // Half a message: nobody can go on from there.
      wire.stream.destroy(error);
    } finally {
      wire.stream.uncork();
    }
    return null;
  }

  handleRowDescription({ fields }: { fields: readonly { name: string; dataTypeID: number }[] }): void {
    this.columns[this.results.length] = {
      names: fields.map((f) => f.name),
      parsers: fields.map((f) => this.typeParser(f.dataTypeID)),
    };
  }

  handleDataRow({ fields }: { fields: readonly (string | null)[] }): void {
    const { names, parsers } = this.columns[this.results.length]!;
    const row: Record<string, unknown> = {};
    try {
      for (let i = 0; i < fields.length; i++) row[names[i]!] = fields[i] === null ? null : parsers[i]!(fields[i]!);
      this.rows.push(row);
    } catch (error) {
      this.fault ??= error;
    }
  }

  handleCommandComplete({ text }: { text: string }): void {
    // "SELECT 3", "INSERT 0 1", "COMMIT".
    const [command = '', ...counts] = text.split(' ');
    const count = Number(counts.at(-1) ?? Number.NaN);
    this.results.push({ rows: this.rows, command, count: Number.isNaN(count) ? undefined : count });
    this.rows = [];
  }

  handleEmptyQuery(): void {
    this.handleCommandComplete({ text: '' });
  }

  handleReadyForQuery(): void {
    for (const i of this.unsure) this.prepared.set(this.statements[i]!.name!, this.columns[i]!);
    this.callback(this.fault);
  }

  handleError(error: unknown): void {
    this.callback(error);
  }
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A bind as text, or bytes as they are. */
export function toWire(value: unknown): string | Buffer | null {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (Array.isArray(value)) return `{${value.map(toElement).join(',')}}`;
  throw new TypeError(`a ${typeof value} cannot be bound`);
}

function toElement(value: unknown): string {
  if (value === null) return 'NULL';
  if (typeof value === 'string') return `"${/["\\]/.test(value) ? value.replaceAll(/["\\]/g, String.raw`\$&`) : value}"`;
  if (value instanceof Uint8Array) return `"\\\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}"`;
  return String(toWire(value));
}
