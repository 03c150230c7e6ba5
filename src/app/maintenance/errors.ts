// What can be wrong with a database, a folder or an archive that somebody wants to look after.
import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'database-address': {
    status: 400,
    title: 'No address of a database',
    detail: (p: { given: string }) =>
      `"${p.given}" names no database. Use sqlite:///path/to/gyre.db, the folder of a server (GYRE_DIR), or postgres://user@host:port/database.`,
  },
  'database-missing': {
    status: 404,
    title: 'There is no database',
    detail: (p: { where: string }) => `There is no database with records of Gyre at ${p.where}.`,
  },
  'target-not-empty': {
    status: 409,
    title: 'The target is not empty',
    detail: (p: { where: string; what: string }) =>
      `${p.where} holds ${p.what}, and nothing that is there is ever overwritten. Name a new folder, or an empty database.`,
  },
  'schema-differs': {
    status: 409,
    title: 'The tables are not those of this program',
    detail: (p: { what: string }) => `${p.what} Use the version of Gyre that wrote it; nothing was changed.`,
  },
  'copy-differs': {
    status: 500,
    title: 'The copy is not what it was copied from',
    detail: (p: { tables: string[] }) =>
      `After copying, these tables differ in rows or digest: ${p.tables.join(', ')}. The target was emptied again; repeat it, and report this.`,
  },
  'server-running': {
    status: 409,
    title: 'A server writes there',
    detail: (p: { dir: string; pid: number }) =>
      `The server with process id ${p.pid} runs in ${p.dir}, so what it writes next would be missing from the copy. Stop it first; a backup needs no stop.`,
  },
  'archive-unusable': {
    status: 400,
    title: 'The archive cannot be used',
    detail: (p: { file: string; why: string }) => `${p.file}: ${p.why} Nothing was restored.`,
  },
  'archive-corrupt': {
    status: 400,
    title: 'The archive is damaged',
    detail: (p: { file: string; entry: string; why: string }) => `${p.file}: ${p.entry} ${p.why} Nothing was restored; use another backup.`,
  },
  'archive-passphrase': {
    status: 400,
    title: 'The passphrase does not open the archive',
    detail: (p: { file: string; why: string }) => `${p.file}: ${p.why}`,
  },
  'restore-unfinished': {
    status: 500,
    title: 'A restore failed and could not be undone',
    detail: (p: { why: string; left: string }) =>
      `The restore failed (${p.why}), and what it had stored could not be removed (${p.left}). Repeat it with the same settings: artifacts that are left are removed first, and files that no record names go with the daily sweep of the server.`,
  },
  'blob-unreadable': {
    status: 500,
    title: 'A blob cannot be read',
    detail: (p: { digest: string; why: string }) =>
      `The blob ${p.digest} is recorded and cannot be read: ${p.why}. No backup was made; "gyre doctor --deep" names all of them, and --skip-unreadable leaves them out.`,
  },
  'no-room': {
    status: 507,
    title: 'There is not enough room',
    detail: (p: { where: string; neededBytes: number; freeBytes: number }) =>
      `${p.where} has ${p.freeBytes} bytes free and ${p.neededBytes} are needed. Nothing was written.`,
  },
});
