import Type from '../../kernel/http/json-schema.ts';
import { pageOf, pageQuery } from '../../kernel/http/paging.ts';
import { deliveryStates, limits, webhookEvents, webhookStatuses } from './model.ts';

const moment = Type.String({ format: 'date-time' });
const momentOrNull = Type.Union([moment, Type.Null()]);
const event = Type.Enum([...webhookEvents], { description: 'What it listens to: an entity of the registry and what happens to it' });

const members = {
  name: Type.String({ minLength: 1, maxLength: 63 }),
  url: Type.String({
    minLength: 1,
    maxLength: limits.url,
    description: 'https, at a public address unless GYRE_WEBHOOK_ALLOW_HOSTS names it',
  }),
  events: Type.Array(event, { minItems: 1, maxItems: 100 }),
  description: Type.String({ maxLength: limits.description }),
  secret: Type.String({ maxLength: limits.secret, description: 'What deliveries are signed with; never shown again. Empty: unsigned' }),
  status: Type.Enum([...webhookStatuses]),
};

export const WebhookParams = Type.Object({ id: Type.String({ maxLength: 100 }) });
export const CreateWebhook = Type.Object({
  name: members.name,
  url: members.url,
  events: members.events,
  description: Type.Optional(members.description),
  secret: Type.Optional(members.secret),
  status: Type.Optional(members.status),
});
export const PatchWebhook = Type.Partial(CreateWebhook);
export const WebhookView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  url: Type.String(),
  events: Type.Array(event),
  description: Type.String(),
  signed: Type.Boolean({ description: 'Whether it has a secret' }),
  status: members.status,
  createdAt: moment,
  updatedAt: moment,
});
export const PageQuery = Type.Object(pageQuery);
export const WebhookPage = pageOf(WebhookView);

export const TestWebhook = Type.Object({ event: Type.Optional(event) });
export const TestResult = Type.Object({
  success: Type.Boolean(),
  status: Type.Union([Type.Integer(), Type.Null()]),
  answer: Type.String({ description: 'The beginning of what was answered' }),
  error: Type.String(),
});

export const DeliveryPage = pageOf(
  Type.Object({
    id: Type.String({ description: 'The same for every attempt: X-MLflow-Delivery-Id' }),
    event,
    state: Type.Enum([...deliveryStates]),
    attempts: Type.Integer(),
    lastStatus: Type.Union([Type.Integer(), Type.Null()]),
    lastError: Type.String(),
    createdAt: moment,
    nextAt: momentOrNull,
    deliveredAt: momentOrNull,
  }),
);
