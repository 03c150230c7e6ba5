// E-mail over SMTP. The library is loaded when the first mail is sent.
import type { ReceiverDefinition } from '../../projects/public.ts';
import { headline, type Message } from '../service/tell.ts';
import { reach, Refused } from '../../../kernel/http/outgoing/reach.ts';
import { mailText } from './shapes.ts';

type Email = Extract<ReceiverDefinition, { kind: 'email' }>;

const TIMEOUT_MS = 10_000;

/** Answers the status of the server's last reply. Raises `Refused` and what the network and the library raise. */
export async function sendMail(receiver: Email, server: string, m: Message, allowed: string): Promise<number> {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (!url || (url.protocol !== 'smtp:' && url.protocol !== 'smtps:'))
    throw new Refused('the mail server is not one of smtp:// or smtps://');
  const secure = url.protocol === 'smtps:';
  const target = await reach(url.hostname, Number(url.port) || (secure ? 465 : 587), allowed);
  const { createTransport } = await import('nodemailer');
  const auth = url.username === '' ? undefined : { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) };
  const transport = createTransport({
    host: target.address,
    port: target.port,
    secure,
    // A password travels encrypted or not at all.
    requireTLS: auth !== undefined && !secure,
    ...(auth ? { auth } : {}),
    tls: { servername: target.hostname },
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    await transport.sendMail({
      from: receiver.from,
      to: [...receiver.to],
      subject: headline(m),
      text: mailText(m),
      // A mail that is sent twice is the same mail, and the mails of one alert are one thread.
      messageId: `<${m.delivery}@gyre>`,
      references: [`<${m.alert.id}@gyre>`],
      headers: { 'Gyre-Delivery': m.delivery },
    });
    return 250;
  } finally {
    transport.close();
  }
}
