import Type from '../../kernel/http/json-schema.ts';
import { guards, triggerStates } from './model.ts';

const moment = Type.Union([Type.String({ format: 'date-time' }), Type.Null()]);
const id = Type.Union([Type.String(), Type.Null()]);
const text = Type.Union([Type.String(), Type.Null()]);
const scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]);
const reason = Type.String({ maxLength: 500 });

export const TriggerView = Type.Object({
  id: Type.String(),
  project: Type.String(),
  policy: Type.String(),
  cause: Type.String({ description: 'alert, finding, data, cron, push or api' }),
  subject: Type.Union([Type.Object({ kind: Type.String(), id: Type.String() }), Type.Null()], {
    description: 'The alert, finding, dataset version or revision that raised it',
  }),
  reason: Type.String({ description: 'Why, in words' }),
  state: Type.Enum([...triggerStates]),
  guard: Type.Union([Type.Enum([...guards]), Type.Null()], { description: 'The guard rail that suppressed it' }),
  outcome: Type.Union([Type.String(), Type.Null()], { description: 'What became of it, in words' }),
  waitsFor: Type.Union([Type.String(), Type.Null()], { description: 'What has to happen before it goes on, in words' }),
  figures: Type.Record(Type.String(), scalar),
  params: Type.Union([Type.Record(Type.String(), scalar), Type.Null()]),
  forced: Type.Boolean(),
  by: Type.String(),
  at: Type.String({ format: 'date-time', description: 'Event time, as are all moments here' }),
  acceptedAt: moment,
  expiresAt: moment,
  endedAt: moment,
  run: id,
  version: id,
  decision: id,
  decided: Type.Union(
    [
      Type.Object({
        id: Type.String(),
        outcome: Type.String(),
        reason: Type.String(),
        champion: id,
        results: Type.Array(Type.Object({ metric: Type.String(), passed: Type.Boolean(), found: Type.String(), why: Type.String() })),
      }),
      Type.Null(),
    ],
    { description: 'The gate’s decision with its figures; null in lists' },
  ),
  release: id,
});

export const PolicyView = Type.Object({
  name: Type.String(),
  pipeline: Type.String(),
  endpoint: Type.String(),
  on: Type.Array(Type.String()),
  state: Type.Enum(['ready', 'busy', 'stopped', 'halted']),
  because: text,
  useless: Type.Integer({ description: 'Tries in a row that did not help' }),
  stopAfter: Type.Integer(),
  cooldownEndsAt: moment,
  budget: Type.Union([Type.Object({ used: Type.Integer(), runs: Type.Integer(), per: Type.String() }), Type.Null()]),
  minNewLabels: Type.Integer(),
  approval: Type.String(),
  release: Type.Boolean(),
  open: Type.Union([TriggerView, Type.Null()]),
  last: Type.Union([TriggerView, Type.Null()], { description: 'The newest trigger, whatever became of it' }),
});

export const RequestTrigger = Type.Object({
  reason: Type.Optional(reason),
  force: Type.Optional(
    Type.Boolean({ description: 'Waives cooldown, budget, new labels and a halt; never a stop, a freeze, an open trigger or broken data' }),
  ),
});
export const Approval = Type.Object({ reason: Type.Optional(reason) });
export const StopRetraining = Type.Object({ reason: Type.String({ minLength: 1, maxLength: 500 }), policy: Type.Optional(Type.String()) });
export const ResumeRetraining = Type.Object({ policy: Type.Optional(Type.String({ maxLength: 200 })) });
export const Stopped = Type.Object({
  scope: Type.String(),
  ended: Type.Array(Type.String(), { description: 'Triggers that were open; their runs are cancelled' }),
});
export const Resumed = Type.Object({
  scope: Type.String(),
  stillStopped: text,
});
