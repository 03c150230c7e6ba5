import Type from '../../kernel/http/json-schema.ts';
import { pageOf, pageQuery } from '../../kernel/http/paging.ts';
import { alertStates, deliveryStates, instanceStates, ruleOrigins, severities } from './model.ts';

const name = Type.String({ maxLength: 200 });
const moment = Type.String({ format: 'date-time' });
const momentOrNull = Type.Union([moment, Type.Null()]);
const number = Type.Union([Type.Number(), Type.Null()]);
const ruleName = Type.String({ pattern: '^[a-z][a-z0-9_-]{0,62}$' });

export const ProjectParams = Type.Object({ project: name });
export const RuleParams = Type.Object({ project: name, rule: name });
export const AlertParams = Type.Object({ project: name, id: name });
export const ReceiverParams = Type.Object({ project: name, receiver: name });

export const CreateRule = Type.Object({
  name: Type.Optional(ruleName),
  when: Type.String({ maxLength: 500, description: 'MONITOR.SIGNAL CONDITION, as in gyre.yaml' }),
  for: Type.Optional(
    Type.String({
      pattern: '^([1-9]\\d*( of [1-9]\\d*)? windows?|\\d+(s|m|h|d|w))$',
      description: '2 windows, 2 of 3 windows, or a duration',
    }),
  ),
  keepFiringFor: Type.Optional(Type.String({ pattern: '^\\d+(s|m|h|d|w)$' })),
  severity: Type.Optional(Type.Enum([...severities])),
  receivers: Type.Optional(Type.Array(name, { uniqueItems: true, maxItems: 100 })),
  summary: Type.Optional(Type.String({ maxLength: 1000 })),
});
export const RuleView = Type.Object({
  name: Type.String(),
  managedBy: Type.Enum([...ruleOrigins]),
  monitor: Type.String(),
  signal: Type.String(),
  when: Type.String(),
  for: Type.String(),
  keepFiringFor: Type.String(),
  severity: Type.Enum([...severities]),
  receivers: Type.Array(Type.String()),
  summary: Type.String(),
  state: Type.Enum([...instanceStates]),
  /** Since when there has been nothing to judge; the state stays what it was. */
  noDataSince: momentOrNull,
  noDataReason: Type.String(),
});
export const RuleList = Type.Object({ items: Type.Array(RuleView) });

const evidence = {
  window: Type.Union([Type.String(), Type.Null()]),
  value: number,
  threshold: number,
  n: Type.Integer(),
  method: Type.String(),
};
export const AlertView = Type.Object({
  id: Type.String(),
  rule: Type.String(),
  monitor: Type.String(),
  signal: Type.String(),
  severity: Type.Enum([...severities]),
  state: Type.Enum([...alertStates]),
  /** Why it is not told although it fires; '' = it is told. */
  muted: Type.String(),
  silenced: Type.Boolean(),
  summary: Type.String(),
  labels: Type.Record(Type.String(), Type.String()),
  fingerprint: Type.String(),
  startedAt: moment,
  firedAt: momentOrNull,
  endedAt: momentOrNull,
  evidence: Type.Object(evidence),
  history: Type.Array(Type.Object({ state: Type.Enum([...alertStates]), at: moment, why: Type.String(), ...evidence })),
});
export const AlertPage = pageOf(AlertView);
export const AlertQuery = Type.Object({
  ...pageQuery,
  monitor: Type.Optional(name),
  state: Type.Optional(Type.Enum([...alertStates, 'active'], { description: 'active: firing or recovering' })),
});

export const TestRule = Type.Object({
  rule: Type.Optional(name),
  when: Type.Optional(CreateRule.properties.when),
  /** With a rule that is there: instead of its own. */
  for: CreateRule.properties.for,
  keepFiringFor: CreateRule.properties.keepFiringFor,
  from: Type.Optional(moment),
  to: Type.Optional(moment),
});
export const TestResult = Type.Object({
  rule: Type.String(),
  when: Type.String(),
  for: Type.String(),
  windows: Type.Integer({ description: 'Windows looked at, every generation counted' }),
  withoutData: Type.Integer(),
  noDataReason: Type.String({ description: 'Why the last of those had none' }),
  transitions: Type.Array(
    Type.Object({ from: Type.Enum([...instanceStates]), state: Type.Enum([...instanceStates]), at: moment, ...evidence }),
  ),
  end: Type.Enum([...instanceStates]),
});

export const CreateSilence = Type.Object({
  matchers: Type.Array(Type.String({ maxLength: 400 }), {
    minItems: 1,
    maxItems: 50,
    description: 'label=value, label!=value, label=~expression, label!~expression; every one must agree',
  }),
  startsAt: Type.Optional(moment),
  endsAt: moment,
  comment: Type.String({ minLength: 1, maxLength: 1000 }),
});
export const SilenceView = Type.Object({
  id: Type.String(),
  matchers: Type.Array(Type.String()),
  startsAt: moment,
  endsAt: moment,
  author: Type.String(),
  comment: Type.String(),
  state: Type.Enum(['pending', 'active', 'expired']),
});
export const SilenceList = Type.Object({ items: Type.Array(SilenceView) });
export const SilenceQuery = Type.Object({ expired: Type.Optional(Type.Boolean({ description: 'Those that have ended, too' })) });

export const DeliveryView = Type.Object({
  id: Type.String(),
  alert: Type.Union([Type.String(), Type.Null()]),
  receiver: Type.String(),
  status: Type.Enum(['firing', 'resolved', 'test']),
  reason: Type.Enum(['fired', 'repeat', 'resolved', 'test']),
  at: moment,
  state: Type.Enum([...deliveryStates]),
  attempts: Type.Integer(),
  lastStatus: Type.Union([Type.Integer(), Type.Null()]),
  lastError: Type.String(),
  nextAttemptAt: momentOrNull,
  createdAt: moment,
  deliveredAt: momentOrNull,
});
export const DeliveryPage = pageOf(DeliveryView);
export const DeliveryQuery = Type.Object({
  ...pageQuery,
  alert: Type.Optional(name),
  state: Type.Optional(Type.Enum([...deliveryStates])),
});

export const ReceiverList = Type.Object({
  items: Type.Array(
    Type.Object({
      name: Type.String(),
      kind: Type.Enum(['webhook', 'alertmanager', 'slack', 'email']),
      /** Where it goes, without user, password and path. */
      to: Type.String(),
      repeat: Type.String(),
      sendResolved: Type.Boolean(),
      rules: Type.Array(Type.String()),
    }),
  ),
});
