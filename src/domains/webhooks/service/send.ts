// One attempt to reach a receiver. Whatever goes wrong is the outcome, in words without secrets.
import type { Ctx } from '../../../kernel/ctx.ts';
import { attemptOf, faultOf, type Attempt } from '../../../kernel/http/outgoing/attempts.ts';
import { post } from '../../../kernel/http/outgoing/post.ts';
import { redactorOf } from '../../../kernel/secrets.ts';
import { openText } from '../../../kernel/sealed-text.ts';
import { signatureOf, type Webhook } from '../model.ts';
import { checkedUrl } from './webhooks.ts';

export interface Told extends Attempt {
  /** What was answered, if it was asked for. */
  readonly text: string;
}

/** `keepBytes` of the answer are given back: only who tests a webhook sees them. */
export async function send(ctx: Ctx, webhook: Webhook, delivery: { id: string; body: string }, keepBytes = 0): Promise<Told> {
  const allowed = ctx.settings.webhookAllowHosts;
  const secret = webhook.secret === null ? '' : openText(ctx.settings, webhook.secret, webhook.id);
  if (secret === undefined)
    return neverTold('its secret was encrypted with another key than this server has (GYRE_SECRETS_KEY); set the secret again');
  try {
    const url = checkedUrl(allowed, webhook.url);
    const timestamp = String(Math.floor(ctx.clock.now() / 1000));
    const answered = await post({
      url: url.href,
      body: delivery.body,
      headers: {
        'x-mlflow-delivery-id': delivery.id,
        'x-mlflow-timestamp': timestamp,
        ...(secret === '' ? {} : { 'x-mlflow-signature': signatureOf(secret, delivery.id, timestamp, delivery.body) }),
      },
      allowed,
      setting: 'GYRE_WEBHOOK_ALLOW_HOSTS',
      signal: ctx.signal,
      keepBytes,
    });
    return { ...attemptOf(answered), text: answered.text };
  } catch (error) {
    const url = URL.canParse(webhook.url) ? new URL(webhook.url) : undefined;
    return { ...faultOf(error, redactorOf([secret, url?.password ?? '', url?.search ?? ''])), text: '' };
  }
}

/** Nobody was asked, and asking again would change nothing. */
export const neverTold = (error: string): Told => ({ outcome: 'dead', status: null, error, retryAfterMs: null, text: '' });
