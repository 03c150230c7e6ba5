// One attempt to reach a receiver. Whatever goes wrong is the outcome, in words without secrets.
import type { Ctx } from '../../../kernel/ctx.ts';
import { post, type Answered } from '../../../kernel/http/post.ts';
import { Refused } from '../../../kernel/http/reach.ts';
import { redactorOf } from '../../../kernel/secrets.ts';
import { openText } from '../../../kernel/sealed-text.ts';
import { signatureOf, type Webhook } from '../model.ts';
import { checkedUrl } from './webhooks.ts';

export interface Attempt {
  readonly outcome: 'delivered' | 'failed' | 'dead';
  readonly status: number | null;
  readonly error: string;
  readonly retryAfterMs: number | null;
  /** What was answered, if it was asked for. */
  readonly text: string;
}

/** `keepBytes` of the answer are given back: only who tests a webhook sees them. */
export async function send(ctx: Ctx, webhook: Webhook, delivery: { id: string; body: string }, keepBytes = 0): Promise<Attempt> {
  const allowed = ctx.settings.webhookAllowHosts;
  const failed = (outcome: Attempt['outcome'], error: string): Attempt => ({ outcome, status: null, error, retryAfterMs: null, text: '' });
  const secret = webhook.secret === null ? '' : openText(ctx.settings, webhook.secret, webhook.id);
  if (secret === undefined)
    return failed('dead', 'its secret was encrypted with another key than this server has (GYRE_SECRETS_KEY); set the secret again');
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
    return verdict(answered);
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: string };
    const words = `${typeof code === 'string' ? `${code}: ` : ''}${message ?? String(error)}`.slice(0, 500);
    const url = URL.canParse(webhook.url) ? new URL(webhook.url) : undefined;
    return failed(error instanceof Refused ? 'dead' : 'failed', redactorOf([secret, url?.password ?? '', url?.search ?? ''])(words));
  }
}

function verdict({ status, retryAfterMs, text }: Answered): Attempt {
  if (status >= 200 && status < 300) return { outcome: 'delivered', status, error: '', retryAfterMs: null, text };
  const again = status >= 500 || status === 429 || status === 408;
  const why = status >= 300 && status < 400 ? 'answered with a redirection, which is not followed' : `answered with status ${status}`;
  return { outcome: again ? 'failed' : 'dead', status, error: `the receiver ${why}`, retryAfterMs, text };
}
