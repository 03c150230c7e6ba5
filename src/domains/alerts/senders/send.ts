// One attempt to tell a receiver, whatever its kind. Secrets are resolved here and leave with the request only.
import { createHmac } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import { redactorOf, resolveSecret } from '../../../kernel/secrets.ts';
import type { ReceiverDefinition } from '../../projects/public.ts';
import type { Message } from '../service/tell.ts';
import { sendMail, type MailAttempt, type Mailing } from './email.ts';
import { attemptOf, faultOf, type Attempt } from '../../../kernel/http/outgoing/attempts.ts';
import { post } from '../../../kernel/http/outgoing/post.ts';
import { alertmanagerPush, alertmanagerWebhook, slackMessage } from './shapes.ts';

/** `v1=` + HMAC-SHA256 of "timestamp.body" in hexadecimal. */
export const signatureOf = (secret: string, timestamp: string, body: string): string =>
  `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;

/** Never throws: what goes wrong is the outcome, in words without secrets. */
export async function send(ctx: Ctx, receiver: ReceiverDefinition, message: Message, mailing?: Mailing): Promise<MailAttempt> {
  const secrets: string[] = [];
  const secretOf = (reference: string): string => {
    const value = resolveSecret(reference);
    if (value === undefined || value === '') throw new Error(`${reference} has no value where the server runs`);
    secrets.push(value);
    return value;
  };
  const resolved = (text: string): string => {
    if (/^(env|file):/.test(text)) return secretOf(text);
    // An address may be all that a stranger needs, wherever it was written.
    secrets.push(text);
    return text;
  };
  try {
    return await dispatch(ctx, receiver, message, { secretOf, resolved }, mailing);
  } catch (error) {
    return { ...faultOf(error, redactorOf(secrets.flatMap(partsOf))), ...verdictOfMail(error) };
  }
}

/** Whatever of an address a stranger could use, as it is written and as it is meant. */
function partsOf(secret: string): string[] {
  if (!URL.canParse(secret)) return [secret];
  const { password, pathname, search } = new URL(secret);
  return [secret, password, decodeURIComponent(password), pathname, search];
}

interface Secrets {
  readonly secretOf: (reference: string) => string;
  readonly resolved: (text: string) => string;
}

async function dispatch(
  ctx: Ctx,
  receiver: ReceiverDefinition,
  m: Message,
  { secretOf, resolved }: Secrets,
  mailing: Mailing | undefined,
): Promise<MailAttempt> {
  const nowMs = ctx.clock.now();
  const base = ctx.settings.url;
  const common = { allowed: ctx.settings.alertAllowHosts, signal: ctx.signal };
  const tell = async (url: string, body: unknown, headers: Record<string, string>): Promise<Attempt> =>
    attemptOf(await post({ ...common, url, body: JSON.stringify(body), headers }));
  switch (receiver.kind) {
    case 'email':
      return sendMail(receiver, resolved(receiver.server), m, { ...common, base, mailing });
    case 'slack':
      return tell(resolved(receiver.url), slackMessage(m, base), { 'gyre-delivery': m.delivery });
    case 'alertmanager':
      return tell(`${resolved(receiver.url).replace(/\/$/, '')}/api/v2/alerts`, alertmanagerPush(m, base, nowMs), {
        'gyre-delivery': m.delivery,
      });
    case 'webhook': {
      const body = JSON.stringify(receiver.format === 'alertmanager' ? alertmanagerWebhook(m, base, nowMs) : { ...m, link: base + m.link });
      const timestamp = String(Math.floor(nowMs / 1000));
      const headers = {
        'gyre-delivery': m.delivery,
        'gyre-timestamp': timestamp,
        ...(receiver.secret === null ? {} : { 'gyre-signature': signatureOf(secretOf(receiver.secret), timestamp, body) }),
      };
      return attemptOf(await post({ ...common, url: resolved(receiver.url), body, headers }));
    }
  }
}

/** In SMTP the 5xx are final and the 4xx pass. */
function verdictOfMail(error: unknown): Partial<Attempt> {
  const code = (error as { responseCode?: unknown }).responseCode;
  return typeof code === 'number' ? { outcome: code >= 500 ? 'dead' : 'failed', status: code } : {};
}
