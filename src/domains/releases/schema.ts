// Wire shapes of releases.
import type { Static } from 'typebox';
import Type from '../../kernel/http/json-schema.ts';
import { usToIso } from '../../kernel/timeline/timeline.ts';
import { releaseStates, shareOf, type EndpointRevision, type Release, type StepFigures, type Transition } from './model.ts';

const State = Type.Enum([...releaseStates] as [string, ...string[]]);
const NumberOrNull = Type.Union([Type.Number(), Type.Null()]);
const TextOrNull = Type.Union([Type.String(), Type.Null()]);

const VariantFigures = Type.Object({
  variant: Type.String(),
  requests: Type.Integer(),
  errors: Type.Integer(),
  errorShare: NumberOrNull,
  scoreMean: NumberOrNull,
  latencyUs: Type.Union([Type.Object({ p50: Type.Number(), p95: Type.Number(), p99: Type.Number() }), Type.Null()]),
  labels: Type.Integer({ description: 'Predictions whose outcome is known' }),
});

const Guardrail = Type.Object({
  metric: Type.String(),
  step: Type.Integer(),
  verdict: Type.Enum(['ok', 'harm', 'too-little-data', 'reported']),
  then: Type.Enum(['rollback', 'pause'], { description: 'What harm leads to' }),
  candidate: NumberOrNull,
  stable: NumberOrNull,
  difference: Type.Union([Type.Number(), Type.Null()], { description: 'Positive: the candidate is worse' }),
  interval: Type.Union([Type.Object({ low: Type.Number(), level: Type.Number() }), Type.Null()]),
  pValue: NumberOrNull,
  margin: Type.Number(),
  method: Type.String(),
  n: Type.Integer(),
  why: Type.String(),
});

export const FiguresView = Type.Object({
  state: Type.Enum(['shadow', 'canary', 'baking']),
  step: Type.Integer(),
  share: Type.Number(),
  since: Type.String({ description: 'Event time' }),
  at: Type.String({ description: 'Event time' }),
  looks: Type.Integer(),
  candidate: VariantFigures,
  stable: VariantFigures,
  guardrails: Type.Array(Guardrail),
  ratio: Type.Object({
    planned: Type.Number(),
    found: NumberOrNull,
    units: Type.Integer(),
    pValue: Type.Number(),
    chiSquareP: Type.Number(),
  }),
  harmed: Type.Object({ requests: Type.Integer(), errors: Type.Integer(), beyondStable: Type.Integer() }),
});

const Share = Type.Number({ description: 'Of the traffic, that the candidate has' });
const Variant = Type.Object({
  id: Type.String(),
  versionId: Type.String(),
  model: Type.String(),
  number: Type.Integer(),
  weight: Type.Number(),
  shadow: Type.Optional(Type.Number({ description: 'Share of the requests that it answers a copy of' })),
  fault: Type.Optional(Type.Object({ errorRate: Type.Number() }, { description: 'Share of its requests that fails on purpose' })),
});

export const RevisionView = Type.Object({
  id: Type.String(),
  project: Type.String(),
  endpoint: Type.String(),
  number: Type.Integer(),
  variants: Type.Array(Variant),
  projectRevision: Type.String(),
  decision: Type.String(),
  trial: Type.Union([Type.String(), Type.Null()], { description: 'The trial whose arms the variants are' }),
  createdAt: TextOrNull,
});

export const ReleaseView = Type.Object({
  id: Type.String(),
  project: Type.String(),
  endpoint: Type.String(),
  revision: Type.String(),
  previous: TextOrNull,
  candidate: Type.Object({ id: Type.String(), versionId: Type.String(), model: Type.String(), number: Type.Integer() }),
  state: State,
  steps: Type.Array(Type.Number(), { description: 'Shares of the traffic, one after the other' }),
  step: Type.Integer({ description: 'Position in steps; -1 before the first, which is also the shadow' }),
  approve: Type.Array(Type.Boolean(), { description: 'By position of steps: whether a person lets the release into it' }),
  shadow: Type.Union([Type.Object({ share: Type.Number(), holdUs: Type.Integer(), minSample: Type.Integer() }), Type.Null()]),
  bakeUs: Type.Union([Type.Integer(), Type.Null()]),
  afterMaxHold: Type.Union([Type.Enum(['rollback', 'pause', 'promote-never']), Type.Null()]),
  waiting: Type.Union(
    [
      Type.Object({ for: Type.Enum(['approval', 'overdue']), step: Type.Integer(), since: Type.String({ description: 'Event time' }) }),
      Type.Null(),
    ],
    { description: 'What only a person lets it go on from' },
  ),
  share: Share,
  minSample: Type.Union([Type.Integer(), Type.Null()]),
  holdUs: Type.Union([Type.Integer(), Type.Null()]),
  maxHoldUs: Type.Union([Type.Integer(), Type.Null()]),
  moving: TextOrNull,
  reason: Type.String(),
  standing: Type.String({ description: 'Why it stands where it stands' }),
  figures: Type.Union([FiguresView, Type.Null()]),
  startedAt: Type.String({ description: 'Event time' }),
  since: Type.String({ description: 'Event time from which on records count in this step' }),
  planNumber: Type.Integer(),
  createdAt: TextOrNull,
  finishedAt: TextOrNull,
});

export const TransitionView = Type.Object({
  number: Type.Integer(),
  from: State,
  to: State,
  step: Type.Integer(),
  share: Share,
  revision: Type.String(),
  actor: Type.Object({ kind: Type.String(), id: Type.String() }),
  reason: Type.String(),
  figures: Type.Union([FiguresView, Type.Null()]),
  at: Type.String({ description: 'Event time' }),
  recordedAt: TextOrNull,
});

export const ReleaseStory = Type.Object({ release: ReleaseView, transitions: Type.Array(TransitionView) });

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

export type RevisionReply = Static<typeof RevisionView>;

export const revisionView = ({ createdMs, variants, ...r }: EndpointRevision): RevisionReply => ({
  ...r,
  variants: variants.map((v) => ({ ...v })),
  createdAt: iso(createdMs),
});

const figuresView = ({ sinceUs, atUs, guardrails, ...f }: StepFigures): Static<typeof FiguresView> => ({
  ...f,
  guardrails: guardrails.map((g) => ({ ...g })),
  since: usToIso(sinceUs),
  at: usToIso(atUs),
});

export const releaseView = (r: Release): Static<typeof ReleaseView> => ({
  id: r.id,
  project: r.project,
  endpoint: r.endpoint,
  revision: r.revision,
  previous: r.previous,
  candidate: { id: r.candidate.id, versionId: r.candidate.versionId, model: r.candidate.model, number: r.candidate.number },
  state: r.state,
  steps: [...(r.policy?.steps ?? [1])],
  step: r.step,
  share: shareOf(r),
  approve: [...(r.policy?.approve ?? [])],
  shadow: r.policy?.shadow ?? null,
  bakeUs: r.policy?.bakeUs ?? null,
  afterMaxHold: r.policy?.afterMaxHold ?? null,
  waiting: r.waiting && { for: r.waiting.for, step: r.waiting.step, since: usToIso(r.waiting.sinceUs) },
  minSample: r.policy?.minSample ?? null,
  holdUs: r.policy?.holdUs ?? null,
  maxHoldUs: r.policy?.maxHoldUs ?? null,
  moving: r.move?.to ?? null,
  reason: r.reason,
  standing: r.standing,
  figures: r.figures && figuresView(r.figures),
  startedAt: usToIso(r.startedUs),
  since: usToIso(r.sinceUs),
  planNumber: r.planNumber,
  createdAt: iso(r.createdMs),
  finishedAt: iso(r.finishedMs),
});

export const transitionView = ({ atUs, atMs, figures, ...t }: Transition): Static<typeof TransitionView> => ({
  ...t,
  actor: { ...t.actor },
  figures: figures && figuresView(figures),
  at: usToIso(atUs),
  recordedAt: iso(atMs),
});
