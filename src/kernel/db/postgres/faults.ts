// What PostgreSQL and the line to it may answer instead of what was asked for, and what that means.
import { defineErrors } from '../../errors.ts';

// SQLSTATE: serialization_failure, deadlock_detected.
const RACES = ['40001', '40P01'];
// unique_violation, duplicate_table: another transaction may have made it meanwhile. A body that looks before
// it writes sees it the next time (or loses to yet another one); one that does not fails again and is given up.
const MADE_MEANWHILE = ['23505', '42P07'];
// No answer at all, a login that is refused (class 28), a connection that broke (class 08), no such database, a server
// that stops or starts or takes no more connections, one that became a standby, and a session that stood still in the
// middle of a transaction.
const AWAY = /^(ECONN\w+|EPIPE|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|28...|08...|3D000|57P0[1-5]|53300|25006|25P03)$/;
// node-postgres has no codes for these.
const AWAY_WORDS =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|Query read timeout|timeout exceeded when trying to connect|timeout expired)/;
// feature_not_supported, of a prepared statement whose table has other columns by now.
const OUTDATED = /^cached plan must not change result type/;
const LOCK_NOT_AVAILABLE = '55P03';
const QUERY_CANCELED = '57014';
/** All processes of the server ended at once, and it recovers from its log. */
const CRASHED = '57P02';

export const { fail } = defineErrors({
  'transaction-conflict': {
    status: 503,
    title: 'Too many changes of the same records at once',
    detail: (p: { attempts: number; retryAfterS: number }) =>
      `Others changed the same records during each of ${p.attempts} attempts. Nothing was changed; repeat the request.`,
  },
  'database-unreachable': {
    status: 503,
    title: 'The database does not answer',
    detail: (p: { where: string; why: string; retryAfterS: number }) =>
      `PostgreSQL at ${p.where} cannot be used: ${p.why}. Nothing was changed. See that it runs, and that GYRE_DATABASE_URL names its address, database, user and password.`,
  },
  'database-slow': {
    status: 503,
    title: 'The database took too long',
    detail: (p: { why: string; retryAfterS: number }) =>
      `PostgreSQL gave up a statement (${p.why}). Nothing was changed. Repeat the request when less goes on; GYRE_DATABASE_TIMEOUT_MS is the bound.`,
  },
  'commit-unknown': {
    status: 503,
    title: 'It is not known whether the change was stored',
    detail: (p: { where: string; retryAfterS: number }) =>
      `The line to PostgreSQL at ${p.where} broke while it stored the change, and it cannot be asked what became of it. Read what you wrote before you repeat the request.`,
  },
});

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? '');
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const isRace = (error: unknown): boolean => RACES.includes(codeOf(error));
export const isMadeMeanwhile = (error: unknown): boolean => MADE_MEANWHILE.includes(codeOf(error));
export const isOutdated = (error: unknown): boolean => codeOf(error) === '0A000' && OUTDATED.test(messageOf(error));
/** The connection is of no more use, or there never was one. */
export const isAway = (error: unknown): boolean => AWAY.test(codeOf(error)) || (codeOf(error) === '' && AWAY_WORDS.test(messageOf(error)));
export const isCrash = (error: unknown): boolean => codeOf(error) === CRASHED;
/** What another attempt would meet again: a wrong password, no such database, a pool that gave nothing for as long as one may wait. */
export const isLasting = (error: unknown): boolean =>
  /^(28...|3D000|ENOTFOUND)$/.test(codeOf(error)) || (codeOf(error) === '' && /^timeout exceeded/.test(messageOf(error)));

/** The host and the database, without the password. */
export const placeOf = (url: string): string => `${new URL(url).host}${new URL(url).pathname}`;

/** Raises the error as a problem, if it is one of the database's own and no defect of ours. */
export function raise(error: unknown, url: string): never {
  if (isAway(error)) fail('database-unreachable', { where: placeOf(url), why: messageOf(error) || codeOf(error), retryAfterS: 1 });
  if ([LOCK_NOT_AVAILABLE, QUERY_CANCELED].includes(codeOf(error))) fail('database-slow', { why: messageOf(error), retryAfterS: 5 });
  throw error;
}
