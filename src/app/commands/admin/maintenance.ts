// Looking after a server from outside: these commands work on its folder and database themselves, whether it runs or not.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { processSettings } from '../../../kernel/config/settings.ts';
import { exitCodes } from '../../../kernel/cli/exit-codes.ts';
import { count, duration, table } from '../../../kernel/cli/terminal.ts';
import type { Program } from '../command.ts';
import { bytesText } from '../../maintenance/usage/bytes-text.ts';
import { healthCommands } from './health.ts';
import { offline } from './offline.ts';

const secretIn = (file: string | undefined): string | undefined =>
  file === undefined ? undefined : readFileSync(file, 'utf8').replace(/\r?\n$/, '');

export function maintenanceCommands(program: Program, root: Command): void {
  offline<[], { dryRun?: true }>(
    program,
    root
      .command('migrate')
      .description('apply pending migrations to the database; "gyre up" does so by itself unless GYRE_AUTO_MIGRATE=0')
      .option('--dry-run', 'say which are there and which wait, and change nothing'),
    async (use) => {
      const { migrateByHand } = await import('../../maintenance/database/migrate-by-hand.ts');
      const done = await migrateByHand(use.settings(), use.options.dryRun === true);
      use.print(done, () => [
        ...done.applied.map((m) => `${m.name} is there since ${new Date(m.appliedMs).toISOString()}`),
        ...done.pending.map((name) => (use.options.dryRun ? `${name} waits` : `${name} was applied now`)),
        ...(done.pending.length === 0 ? ['nothing waits: the schema is that of this program'] : []),
      ]);
    },
  );

  const db = root.command('db').description('the database as a whole');
  offline<[], { from?: string; to: string }>(
    program,
    db
      .command('copy')
      .description('copy a stopped server’s database into an empty one, from SQLite to PostgreSQL or back')
      .option('--from <database>', 'a GYRE_DIR, sqlite:///path or postgres://…; default GYRE_DIR')
      .requiredOption('--to <database>', 'an empty database: a folder, sqlite:///path or postgres://…'),
    async (use) => {
      const [{ copyDatabase }, { locate }] = await Promise.all([
        import('../../maintenance/database/copy.ts'),
        import('../../maintenance/database/snapshot.ts'),
      ]);
      const settings = processSettings();
      const from = use.options.from ?? (settings.databaseUrl || settings.dir);
      const progress = use.progress('copying', 'rows');
      const copied = await copyDatabase(locate(from), locate(use.options.to), (_table, _rows, all) => progress(all));
      use.print(copied, () => [
        ...table(copied.tables, [
          { title: 'TABLE', value: (c) => c.table },
          { title: 'ROWS', value: (c) => count(c.rows), right: true },
          { title: 'DIGEST', value: (c) => c.digest.slice(0, 16) },
        ]),
        `${count(copied.rows)} rows in ${duration(copied.elapsedMs)} (${count(Math.round((copied.rows / copied.elapsedMs) * 1000))}/s); counts and digests of all tables are equal on both sides`,
      ]);
    },
    false,
  );

  offline<[string], { databaseOnly?: true; passphraseFile?: string; skipUnreadable?: true }>(
    program,
    root
      .command('backup')
      .description('write database, blobs, artifacts and keys into one file, while the server runs')
      .argument('<file>', 'the file to write, or a folder to write it into; it holds secrets')
      .option('--database-only', 'the database without the bytes that it refers to')
      .option('--passphrase-file <file>', 'encrypt it under the passphrase in this file')
      .option('--skip-unreadable', 'leave out blobs that cannot be read, and name them'),
    async (use, to) => {
      const { backUp } = await import('../../maintenance/archive/by-settings.ts');
      const { databaseOnly, skipUnreadable, passphraseFile } = use.options;
      const passphrase = secretIn(passphraseFile);
      const made = await backUp(use.settings(), to, {
        ...(databaseOnly ? { databaseOnly } : {}),
        ...(skipUnreadable ? { skipUnreadable } : {}),
        ...(passphrase === undefined ? {} : { passphrase }),
        progress: (what, done) => use.progress(what, what)(done),
      });
      const rows = made.head.tables.reduce((sum, t) => sum + t.rows, 0);
      use.print(made, () => [
        `${made.file}: ${bytesText(made.fileBytes)} in ${duration(made.elapsedMs)}${passphrase === undefined ? '; it holds keys of the server, so keep it secret' : ', encrypted'}`,
        `${count(rows)} rows, ${count(made.head.blobs.count)} blobs (${bytesText(made.head.blobs.bytes)}), ${count(made.head.paths.count)} artifacts (${bytesText(made.head.paths.bytes)})`,
        `it shows the moment ${made.snapshotAt}: what is written later is what a loss of the server would cost`,
        ...made.head.unreadable.map((name) => `left out, it cannot be read: ${name}`),
      ]);
      return made.head.unreadable.length > 0 ? exitCodes.failed : exitCodes.ok;
    },
  );

  offline<
    [string],
    { dir?: string; databaseUrl?: string; check?: true; passphraseFile?: string; erasures?: string; acceptAuditFaults?: true }
  >(
    program,
    root
      .command('restore')
      .description('take a backup out into a new folder and an empty database, and compare everything')
      .argument('<file>', 'what "gyre backup" wrote')
      .option('--dir <folder>', 'the new folder; it must be empty or not there')
      .option('--database-url <url>', 'an empty PostgreSQL database instead of SQLite in the folder')
      .option('--check', 'read and compare the whole file, and restore nothing')
      .option('--passphrase-file <file>', 'of an encrypted backup')
      .option('--erasures <file>', 'erase again who is in this file of "gyre erasures export"')
      .option('--accept-audit-faults', 'restore although the chain of events is broken'),
    async (use, file) => {
      const { check, restore } = await import('../../maintenance/archive/by-settings.ts');
      const passphrase = secretIn(use.options.passphraseFile);
      const progress = use.progress('reading', 'bytes');
      if (use.options.check || use.options.dir === undefined) {
        const head = await check(file, passphrase, (_what, done, of) => progress(done, of));
        return use.print(head, () => [
          `${file}: made ${head.createdAt} by Gyre ${head.program}; ${count(head.entries)} entries, ${bytesText(head.bytes)}, every digest is right`,
          ...(use.options.check ? [] : ['nothing was restored: name a new folder with --dir']),
        ]);
      }
      const done = await restore({
        file,
        dir: use.options.dir,
        ...(use.options.databaseUrl === undefined ? {} : { databaseUrl: use.options.databaseUrl }),
        ...(passphrase === undefined ? {} : { passphrase }),
        ...(use.options.acceptAuditFaults ? { acceptAuditFaults: true } : {}),
        ...(use.options.erasures === undefined ? {} : { erasures: use.options.erasures }),
        progress: (_what, n, of) => progress(n, of),
      });
      use.print(done, () => [
        `${count(done.rows)} rows, ${count(done.head.blobs.count)} blobs, ${count(done.head.paths.count)} artifacts from ${bytesText(done.fileBytes)} in ${duration(done.elapsedMs)}; every count and digest is right`,
        `${count(done.events)} events, ${done.auditFaults.length === 0 ? 'none changed, removed or inserted' : `${done.auditFaults.length} FAULTS in their chain`}`,
        ...done.erasures.map((e) => `${e.project}: ${e.what}`),
        `start it: gyre up --dir ${done.dir}${use.options.databaseUrl ? ' --database-url …' : ''}`,
      ]);
      return done.auditFaults.length > 0 || done.erasures.some((e) => e.failed) ? exitCodes.failed : exitCodes.ok;
    },
    false,
  );

  healthCommands(program, root);
}
