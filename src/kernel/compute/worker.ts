// The compute process: one job at a time, each in a fresh DuckDB that can reach its staged files and
// nothing else. The next one is made while nobody waits for it.
import { mkdirSync } from 'node:fs';
import { DuckDBInstance, StatementType, type DuckDBConnection } from '@duckdb/node-api';
import type { ComputeFault, ComputeResult, Statement, WorkerReply, WorkerRequest } from './compute.ts';
import { toPlain } from './values.ts';

process.on('disconnect', () => process.exit(0));
process.on('message', (request: WorkerRequest) => {
  void perform(request)
    .then(
      (result): WorkerReply => ({ result }),
      (error: unknown): WorkerReply => ({ fault: faultOf(error) }),
    )
    .then((reply) => process.send?.(reply))
    .then(() => (spare ??= fresh()));
});

const SPILL_FACTOR = 16;

/** A DuckDB that has done nothing yet; what a job may use of memory and disk is set when it comes. */
const fresh = (): Promise<DuckDBInstance> => {
  const made = DuckDBInstance.create(':memory:', {
    threads: '1',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    allow_unsigned_extensions: 'false',
    enable_object_cache: 'false',
    preserve_insertion_order: 'true',
  });
  // Whoever takes it hears of what went wrong.
  made.catch(() => undefined);
  return made;
};
let spare: Promise<DuckDBInstance> | undefined;

class Refused extends Error {}

/** An error in the user's text, with its place there. */
class InText extends Error {
  readonly place: { readonly line: number; readonly column: number } | undefined;
  constructor(cause: unknown, text: string, linesBefore: number) {
    const told = cause instanceof Error ? cause.message : String(cause);
    super(told.replace(/LINE (\d+):/, (_, line: string) => `LINE ${Number(line) - linesBefore}:`));
    this.place = placeOf(this.message, text);
  }
}

// DuckDB shows the line, shortened at both ends when it is long, with a caret below it.
function placeOf(message: string, text: string): { line: number; column: number } | undefined {
  const found = /LINE (\d+): (.*)\n( *)\^/.exec(message);
  if (!found) return undefined;
  const line = Number(found[1]);
  const shown = found[2]!.replace(/^\.\.\./, '').replace(/\.\.\.$/, '');
  const cut = found[2]!.length - found[2]!.replace(/^\.\.\./, '').length;
  const at = found[3]!.length - `LINE ${line}: `.length - cut;
  return { line, column: Math.max(0, (text.split('\n')[line - 1] ?? '').indexOf(shown)) + at + 1 };
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const name = (text: string): string => `"${text.replaceAll('"', '""')}"`;

async function perform(request: WorkerRequest): Promise<ComputeResult> {
  mkdirSync(request.tempDir, { recursive: true });
  const taken = spare ?? fresh();
  spare = undefined;
  const instance = await taken;
  const connection = await instance.connect();
  try {
    await connection.run(`set threads = ${request.threads}`);
    await connection.run(`set memory_limit = '${request.memoryMb}MB'`);
    await connection.run(`set temp_directory = ${literal(request.tempDir)}`);
    // Spilling may not fill the disk that everybody writes to.
    await connection.run(`set max_temp_directory_size = '${request.memoryMb * SPILL_FACTOR}MB'`);
    await connection.run(`set timezone = 'UTC'`);
    const inputs = Object.values(request.tables ?? {}).flatMap((table) => table.files);
    const reachable = [...inputs, ...(request.reads ?? []), ...(request.writes ?? [])];
    await connection.run(`set allowed_paths = [${reachable.map(literal).join(', ')}]`);
    await connection.run(`set allowed_directories = [${literal(request.tempDir)}]`);
    await connection.run('set enable_external_access = false');
    await connection.run('set lock_configuration = true');
    for (const [table, { files, format, columns, fileColumn }] of Object.entries(request.tables ?? {})) {
      const list = `[${files.map(literal).join(', ')}], union_by_name = true`;
      const types = columns
        ? `columns = {${Object.entries(columns)
            .map(([column, type]) => `${name(column)}: ${literal(type)}`)
            .join(', ')}}`
        : 'sample_size = -1';
      const from = fileColumn === undefined ? '' : `, filename = ${literal(fileColumn)}`;
      await connection.run(
        `create view ${name(table)} as select * from ${format === 'ndjson' ? `read_json(${list}, format = 'newline_delimited', ${types}${from})` : `read_parquet(${list}${from})`}`,
      );
    }
    for (const statement of request.statements) await runOne(connection, statement);
    const numbers: Float64Array[][] = [];
    for (const query of request.numbers ?? []) numbers.push(await readNumbers(connection, query));
    if (request.rows === undefined) return { columns: [], rows: [], numbers };
    const reader = await connection.runAndReadAll(request.rows);
    const names = reader.columnNames();
    const types = reader.columnTypes();
    const rows = reader.getRows().map((row) => Object.fromEntries(row.map((value, i) => [names[i]!, toPlain(value)])));
    return { columns: names.map((column, i) => ({ name: column, type: String(types[i]) })), rows, numbers };
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Piece by piece as DuckDB makes them, so that no value is ever an object. */
async function readNumbers(connection: DuckDBConnection, query: string): Promise<Float64Array[]> {
  const result = await connection.stream(query);
  const pieces: Float64Array[][] = Array.from({ length: result.columnCount }, () => []);
  for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    for (const [i, column] of pieces.entries()) {
      const vector = chunk.getColumnVector(i);
      column.push(Float64Array.from({ length: chunk.rowCount }, (_, row) => Number(vector.getItem(row) ?? Number.NaN)));
    }
  }
  return pieces.map((column) => {
    const whole = new Float64Array(column.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of column) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  });
}

/** The text without the semicolon that ends it, and what stands behind that: ours goes on after it. */
async function withoutEnd(connection: DuckDBConnection, userSql: string): Promise<string> {
  const text = userSql.trimEnd();
  const cut = text.replace(/;(?:\s|--[^\n]*(?:\n|$)|\/\*[^]*?\*\/)*$/, '');
  // Where it was cut within a quoted text, the rest is no statement.
  const whole = cut === text ? undefined : await connection.extractStatements(cut).catch(() => undefined);
  return whole?.count === 1 ? cut : text;
}

async function runOne(connection: DuckDBConnection, statement: Statement): Promise<void> {
  if ('sql' in statement) return void (await connection.run(statement.sql));
  const text = await withoutEnd(connection, statement.userSql);
  try {
    // Of a text without a statement the binding says only that a callback failed.
    const extracted = await connection.extractStatements(text).catch((error: Error) => {
      throw /native callback/.test(error.message) ? new Refused('there are 0 statements; write one SELECT.') : error;
    });
    if (extracted.count !== 1) throw new Refused(`there are ${extracted.count} statements; write one SELECT.`);
    const prepared = await extracted.prepare(0);
    const { statementType } = prepared;
    prepared.destroySync();
    if (statementType !== StatementType.SELECT) throw new Refused('it is not a SELECT.');
  } catch (error) {
    throw error instanceof Refused ? error : new InText(error, text, 0);
  }
  // The line breaks keep a comment at the end of the user's text from reaching ours.
  const query = statement.where === undefined ? text : `select * from (\n${text}\n) where ${statement.where}`;
  const into = statement.into;
  try {
    if ('parquet' in into) await connection.run(`copy (\n${query}\n) to ${literal(into.parquet)} (format parquet, compression zstd)`);
    else await connection.run(`create table ${name(into.table)} as (\n${query}\n)`);
  } catch (error) {
    throw new InText(error, text, statement.where === undefined ? 1 : 2);
  }
}

function faultOf(error: unknown): ComputeFault {
  // A text that does not even parse is named behind the call that found it.
  const why = (error instanceof Error ? error.message : String(error)).replace(/^Failed to extract statements: /, '');
  if (error instanceof Refused) return { kind: 'refused', why };
  if (
    /^Permission Error|file system operations are disabled|has been locked|Cannot access (file|directory)|disabled (by|through) configuration|allowed_paths|Cannot change configuration|external access/i.test(
      why,
    )
  )
    return { kind: 'refused', why };
  if (/^Out of Memory Error|failed to (allocate|offload|pin)|could not allocate/i.test(why)) return { kind: 'memory', why };
  if (/No space left|disk full|File too large/i.test(why)) return { kind: 'full', why };
  if (/No magic bytes|Parquet|TProtocol|snappy|zstd|too small to be|No files found/i.test(why) && !/^(Parser|Binder|Catalog)/.test(why))
    // Without the line of ours that it points at.
    return { kind: 'unreadable', why: why.split('\n')[0]! };
  if (
    /^(Parser|Binder|Catalog|Conversion|Invalid Input|Out of Range|Constraint|Not implemented|Mismatch|Syntax|Type|Missing Extension|Sequence|Dependency)/i.test(
      why,
    )
  )
    return { kind: 'invalid', why, ...(error instanceof InText && error.place ? { place: error.place } : {}) };
  // Whatever else the user's text leads to is of its own making; "INTERNAL Error" is what DuckDB calls its defects.
  return { kind: error instanceof InText && !why.startsWith('INTERNAL') ? 'invalid' : 'failed', why };
}
