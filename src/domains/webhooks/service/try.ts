// A test of a webhook: an example, sent at once, and what was answered.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { bodyOf, examples, type WebhookEvent } from '../model.ts';
import { send } from './send.ts';
import { getWebhook } from './webhooks.ts';

const ANSWER_BYTES = 4096;

export interface Tried {
  readonly success: boolean;
  readonly status: number | null;
  readonly text: string;
  readonly error: string;
}

/** Of the event named, or the first that it listens to. Raises `webhook-not-found`. */
export async function testWebhook(ctx: Ctx, id: string, asked?: WebhookEvent): Promise<Tried> {
  const webhook = await getWebhook(ctx, id);
  const event = asked ?? webhook.events[0]!;
  const body = bodyOf(event, examples[event], ctx.clock.now(), ctx.workspace);
  const { status, text, error } = await send(ctx, webhook, { id: newId('dlv', ctx.ids), body }, ANSWER_BYTES);
  return { success: status !== null && status < 400, status, text, error };
}
