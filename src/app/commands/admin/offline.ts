// How a command is declared that asks no server, but works on its folder and database itself.
import type { Command } from 'commander';
import { processSettings, type Settings } from '../../../kernel/config/settings.ts';
import { exitCodes } from '../../../kernel/cli/exit-codes.ts';
import { startProgress } from '../../../kernel/cli/progress.ts';
import type { Program } from '../command.ts';

export interface OfflineUse<O> {
  readonly options: O & { readonly json?: true };
  readonly settings: () => Settings;
  readonly print: (data: unknown, text: () => readonly string[]) => void;
  readonly progress: (what: string, unit: string) => (done: number, of?: number) => void;
}

interface Where {
  readonly dir?: string;
  readonly databaseUrl?: string;
}

/** Declares a command that asks no server: it is told the folder and the database as `gyre up` is. */
export function offline<A extends readonly unknown[], O = object>(
  program: Program,
  command: Command,
  action: (use: OfflineUse<O>, ...args: A) => Promise<number | undefined | void>,
  where = true,
): Command {
  if (where)
    command
      .option('--dir <folder>', 'the folder of the server (GYRE_DIR, default .gyre)')
      .option('--database-url <url>', 'its PostgreSQL database (GYRE_DATABASE_URL)');
  return command.option('--json', 'print data as JSON').action(async (...received: unknown[]) => {
    const options = received.at(-2) as O & Where & { json?: true };
    const { dir, databaseUrl } = where ? options : {};
    const bars = new Map<string, ReturnType<typeof startProgress>>();
    const endBars = (): void => bars.forEach((bar) => bar.end());
    try {
      const code = await action(
        {
          options,
          settings: () => processSettings({ ...(dir === undefined ? {} : { dir }), ...(databaseUrl === undefined ? {} : { databaseUrl }) }),
          print: (data, text) => {
            endBars();
            if (options.json) program.terminal.out(JSON.stringify(data, null, 2));
            else for (const line of text()) program.terminal.out(line);
          },
          progress: (what, unit) => (done, of) => {
            const bar = bars.get(what) ?? startProgress(program.terminal, what, unit);
            bars.set(what, bar);
            bar.update(done, of);
          },
        },
        ...(received.slice(0, -2) as unknown as A),
      );
      program.exit(code ?? exitCodes.ok);
    } finally {
      endBars();
    }
  });
}
