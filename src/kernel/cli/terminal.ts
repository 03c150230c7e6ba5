// Where a command writes: data on stdout, everything else on stderr.

export interface Terminal {
  /** Data: one line of text. */
  readonly out: (line: string) => void;
  /** Messages to the person. */
  readonly say: (line: string) => void;
  /** Whether stderr is a terminal, where a progress bar may redraw its line. */
  readonly interactive: boolean;
  readonly columns: number;
  /** Writes to stderr as it is, for progress bars. */
  readonly draw: (text: string) => void;
}

/** The process's own streams. A reader that went away (`| head`) ends the command quietly. */
export function processTerminal(): Terminal {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: { code?: string }) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  return {
    out: (line) => void process.stdout.write(`${harmless(line)}\n`),
    say: (line) => void process.stderr.write(`${harmless(line)}\n`),
    draw: (text) => void process.stderr.write(text),
    interactive: process.stderr.isTTY === true,
    columns: process.stderr.columns ?? 80,
  };
}

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string | number | null | undefined;
  readonly right?: true;
}

// What came from outside may hold characters that move the cursor, hide text or turn its direction around.
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Text for a terminal: whole escape sequences (colours in a log) and control characters are taken out. */
// eslint-disable-next-line no-control-regex
export const harmless = (text: string): string => text.replace(/\u001b\[[0-?]*[ -/]*[@-~]/g, '').replace(CONTROL, '');

/** The same for a cell of a table, which is one line. */
const printable = (text: string): string => harmless(text).replace(/[\n\t]/g, ' ');

/** Rows as aligned columns with a heading; empty if there are none. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[]): string[] {
  if (rows.length === 0) return [];
  const cells = [columns.map((c) => c.title), ...rows.map((row) => columns.map((c) => printable(String(c.value(row) ?? '-'))))];
  const widths = columns.map((_c, i) => Math.max(...cells.map((r) => r[i]!.length)));
  return cells.map((r) =>
    r
      .map((text, i) => (columns[i]!.right ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** 1234567 as "1,234,567". */
export const count = (n: number): string => n.toLocaleString('en-US');

/** A duration in milliseconds for people: "340 ms", "12.3 s", "4 min 05 s". */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}
