// E-mail over SMTP. The library is loaded when the first mail is sent.
import { isIP, type Socket } from 'node:net';
import type { Attempt } from '../../../kernel/http/outgoing/attempts.ts';
import { connectTo } from '../../../kernel/http/outgoing/connect.ts';
import { reach, Refused } from '../../../kernel/http/outgoing/reach.ts';
import type { ReceiverDefinition } from '../../projects/public.ts';
import { headline, type Message } from '../service/tell.ts';
import { mailText } from './shapes.ts';

type Email = Extract<ReceiverDefinition, { kind: 'email' }>;

const TIMEOUT_MS = 10_000;
/** Of the whole mail, however slowly the server speaks. */
const WHOLE_MS = 30_000;

/** Who is still to get a mail that some have, and who never will. */
export interface Mailing {
  readonly to: readonly string[];
  readonly refused: string;
}

export type MailAttempt = Attempt & { readonly mailing?: Mailing };

interface Sent {
  readonly base: string;
  readonly allowed: string;
  readonly signal: AbortSignal;
  readonly mailing?: Mailing | undefined;
}

/** Raises `Refused` and what the network and the library raise. */
export async function sendMail(
  receiver: Email,
  server: string,
  m: Message,
  { base, allowed, signal, mailing }: Sent,
): Promise<MailAttempt> {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (!url || (url.protocol !== 'smtp:' && url.protocol !== 'smtps:'))
    throw new Refused('the mail server is not one of smtp:// or smtps://');
  const secure = url.protocol === 'smtps:';
  const target = await reach(url.hostname, Number(url.port) || (secure ? 465 : 587), allowed);
  const { createTransport } = await import('nodemailer');
  const auth = url.username === '' ? undefined : { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) };
  const own = AbortSignal.timeout(WHOLE_MS);
  const limit = AbortSignal.any([signal, own]);
  const transport = createTransport({
    host: target.hostname,
    port: target.port,
    secure,
    getSocket: (_options: unknown, done: (error: Error | null, socket?: { connection: Socket }) => void) =>
      void connectTo(target, AbortSignal.any([limit, AbortSignal.timeout(TIMEOUT_MS)])).then(
        (connection) => {
          limit.addEventListener('abort', () => connection.destroy(), { once: true });
          done(null, { connection });
        },
        (error: unknown) => done(error as Error),
      ),
    // A password travels encrypted, to a server that proves who it is, or not at all. Without one, an encryption whose
    // other end is unknown is better than none, and many a relay in one's own network has signed its certificate itself.
    requireTLS: auth !== undefined && !secure,
    ...(auth ? { auth } : {}),
    tls: { rejectUnauthorized: secure || auth !== undefined, ...(isIP(target.hostname) === 0 ? { servername: target.hostname } : {}) },
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const info = await transport.sendMail({
      from: receiver.from,
      to: [...receiver.to],
      // The mail names everybody; those who have it already do not get it again.
      ...(mailing ? { envelope: { from: receiver.from, to: [...mailing.to] } } : {}),
      subject: headline(m),
      text: mailText(m, base),
      // A mail that is sent twice is the same mail, and the mails of one alert are one thread.
      messageId: `<${m.delivery}@gyre>`,
      references: [`<${m.alert.id}@gyre>`],
      headers: { 'Gyre-Delivery': m.delivery, 'Auto-Submitted': 'auto-generated' },
    });
    return outcomeOf(info.rejectedErrors ?? [], mailing?.refused ?? '');
  } catch (error) {
    if (own.aborted) throw new Error(`the mail was not taken within ${WHOLE_MS / 1000} s`, { cause: error });
    throw error;
  } finally {
    transport.close();
  }
}

interface Rejection {
  readonly message: string;
  readonly recipient?: string | undefined;
  readonly responseCode?: number | undefined;
  readonly response?: string | undefined;
}

/** Taken for some of the addresses: who was put off is asked again alone, who was refused is named. */
function outcomeOf(rejected: readonly Rejection[], before: string): MailAttempt {
  const isLater = (r: Rejection): boolean => (r.responseCode ?? 500) < 500;
  const words = (some: readonly Rejection[]): string[] => some.map((r) => `${r.recipient ?? 'an address'}: ${r.response ?? r.message}`);
  const refused = [before, ...words(rejected.filter((r) => !isLater(r)))].filter((w) => w !== '').join('; ');
  const later = rejected.filter(isLater);
  if (later.length === 0)
    return { outcome: 'delivered', status: 250, error: refused === '' ? '' : `not taken for ${refused}`, retryAfterMs: null };
  return {
    outcome: 'failed',
    status: later[0]!.responseCode ?? null,
    error: `not yet taken for ${words(later).join('; ')}`,
    retryAfterMs: null,
    mailing: { to: later.flatMap((r) => r.recipient ?? []), refused },
  };
}
