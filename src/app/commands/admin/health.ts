// gyre doctor, du, erasures: what is wrong, what takes room, and who must stay erased.
import { writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { exitCodes } from '../../../kernel/cli/exit-codes.ts';
import { count, table } from '../../../kernel/cli/terminal.ts';
import type { Program } from '../command.ts';
import { bytesText } from '../../maintenance/usage/bytes-text.ts';
import type { Finding } from '../../maintenance/doctor/finding.ts';
import { offline } from './offline.ts';

const MARKS = { ok: 'ok     ', warning: 'warning', fault: 'FAULT  ' } as const;

export function healthCommands(program: Program, root: Command): void {
  offline<[], { deep?: true }>(
    program,
    root
      .command('doctor')
      .description('check settings, disk, database, blobs and server, and say how to mend what is wrong')
      .option('--deep', 'read every blob and compare its digest'),
    async (use) => {
      const { examine } = await import('../../maintenance/doctor/checks.ts');
      const findings: Finding[] = [];
      for await (const finding of examine(use.settings(), {
        ...(use.options.deep ? { deep: true } : {}),
        progress: use.progress('reading', 'blobs'),
      }))
        findings.push(finding);
      use.print(findings, () =>
        findings.flatMap((f) => [`${MARKS[f.state]} ${f.check}: ${f.what}`, ...(f.mend === '' ? [] : [`        -> ${f.mend}`])]),
      );
      return findings.some((f) => f.state === 'fault') ? exitCodes.failed : exitCodes.ok;
    },
  );

  offline<[], { by?: 'workspace' | 'project' | 'experiment' | 'model' | 'dataset' }>(
    program,
    root
      .command('du')
      .description('what takes how much room, and what a sweep would free')
      .addOption(new Option('--by <what>', 'bytes of each instead').choices(['workspace', 'project', 'experiment', 'model', 'dataset'])),
    async (use) => {
      const { measureShares, measureUsage } = await import('../../maintenance/usage/usage.ts');
      const { by } = use.options;
      if (by !== undefined) {
        const shares = await measureShares(use.settings(), by);
        return use.print(shares, () =>
          table(shares, [
            { title: by.toUpperCase(), value: (s) => s.name },
            { title: 'WORKSPACE', value: (s) => s.workspace },
            { title: 'FILES', value: (s) => count(s.files), right: true },
            { title: 'BYTES', value: (s) => bytesText(s.bytes), right: true },
          ]),
        );
      }
      const u = await measureUsage(use.settings());
      const rows: [string, number, string][] = [
        ['database', u.databaseBytes, ''],
        ['blobs', u.blobs.liveBytes, u.blobs.sharedBytes > 0 ? `${bytesText(u.blobs.sharedBytes)} in more than one workspace` : ''],
        ['blobs without a record', u.blobs.orphanedBytes, u.blobs.orphanedPacks > 0 ? 'the daily sweep frees those older than a day' : ''],
        ['holes in packs', u.blobs.holeBytes, u.blobs.holeBytes > 0 ? 'freed when an erasure purges' : ''],
        ['artifacts', u.artifactBytes, ''],
        ...u.folders.map((f): [string, number, string] => [
          `${f.folder}/`,
          f.bytes,
          f.madeAgain
            ? 'made again when it is needed'
            : f.folder === 'attempts' && u.sweptAttemptBytes > 0
              ? `the next daily sweep frees ${bytesText(u.sweptAttemptBytes)}`
              : '',
        ]),
        ['all', u.totalBytes, ''],
      ];
      use.print(u, () =>
        table(rows, [
          { title: 'WHAT', value: (r) => r[0] },
          { title: 'BYTES', value: (r) => bytesText(r[1]), right: true },
          { title: 'NOTE', value: (r) => r[2] },
        ]),
      );
    },
  );

  const erasures = root.command('erasures').description('who was erased, for a restore');
  offline<[string]>(
    program,
    erasures
      .command('export')
      .description('write who was erased, by HMAC, into a file that "gyre restore --erasures" takes')
      .argument('<file>', 'the file to write; keep it apart from the backups'),
    async (use, file) => {
      const { exportErasures } = await import('../../maintenance/erasures.ts');
      const list = await exportErasures(use.settings());
      writeFileSync(file, `${JSON.stringify(list, null, 2)}\n`, { mode: 0o600 });
      use.print({ file, subjects: list.subjects.length }, () => [`${file}: ${count(list.subjects.length)} subjects that stay erased`]);
    },
  );
}
