// What other rooms may use of webhooks.
export { createWebhook, deleteWebhook, getWebhook, updateWebhook } from './service/webhooks.ts';
export { testWebhook } from './service/try.ts';
export { listWebhooks } from './store/webhooks.ts';
export { isWebhookEvent, webhookEvents, type Webhook, type WebhookEvent, type WebhookStatus } from './model.ts';
