// Gates: the recorded decision whether a version may be released.
import { createHash } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { newId } from '../../../kernel/ids.ts';
import { getRunData, modelMetricsOf } from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import { judgeGate, seenInTraining } from '../gates.ts';
import {
  allows,
  isCurrent,
  type Decision,
  type Evaluation,
  type Gate,
  type GateResult,
  type ModelVersion,
  type PairedDifference,
} from '../model.ts';
import * as store from '../store/evaluations.ts';
import { findAlias } from '../store/models.ts';
import * as versions from '../store/versions.ts';
import { compareVersions } from './compare.ts';
import { getEvaluation } from './evaluate.ts';

/** Set by a release when its version has all the traffic; gates compare with the version it names. */
export const championAlias = 'champion';

export const gateDigest = (gates: readonly Gate[]): string => createHash('sha256').update(JSON.stringify(gates)).digest('hex');

/** The version that the candidate has to stand up to; undefined if there is none or it is the candidate itself. */
async function champion(ctx: Ctx, candidate: ModelVersion): Promise<ModelVersion | undefined> {
  const number = await findAlias(ctx.db, ctx.workspace, candidate.model, championAlias);
  if (number === undefined || number === candidate.number) return undefined;
  return versions.findVersion(ctx.db, ctx.workspace, candidate.model, number);
}

const evaluationOf = (ctx: Ctx, version: ModelVersion): Promise<Evaluation> | undefined =>
  version.evidence.evaluation === undefined ? undefined : getEvaluation(ctx, version.evidence.evaluation);

/** The newest decision about a version. */
export const findDecision = (ctx: Ctx, version: ModelVersion): Promise<Decision | undefined> =>
  store.findLatestDecision(ctx.db, ctx.workspace, version.id);

export const getDecision = (ctx: Ctx, id: string): Promise<Decision | undefined> => store.getDecision(ctx.db, ctx.workspace, id);

/** The newest decision about a version, if it still holds under these gates: champion and evaluation are what it was taken on. */
export async function currentDecision(ctx: Ctx, version: ModelVersion, gates: readonly Gate[]): Promise<Decision | undefined> {
  const decision = await findDecision(ctx, version);
  return decision && isCurrent(decision, await standingOf(ctx, version, gates)) ? decision : undefined;
}

/** What a decision about a version is taken on, as it stands now. */
const standingOf = async (ctx: Ctx, version: ModelVersion, gates: readonly Gate[]) => ({
  gateDigest: gateDigest(gates),
  evaluationId: version.evidence.evaluation ?? null,
  championId: (await champion(ctx, version))?.id ?? null,
});

/** Judges the model's gates on the version's evaluation and records the decision, whatever it is. Raises `version-unsealed`. */
export async function decide(ctx: Ctx, version: ModelVersion, gates: readonly Gate[]): Promise<Decision> {
  requireLevel(ctx, 'model', version.model, 'EDIT');
  if (version.state !== 'sealed') fail('version-unsealed', { model: version.model, version: version.number });
  const evaluation = await evaluationOf(ctx, version);
  const holder = await champion(ctx, version);
  const differences = new Map<Gate, PairedDifference>();
  const against = gates.filter((g) => (g.notWorseThan || g.betterThan) && !g.trust);
  if (evaluation && holder && against.length > 0) {
    const compared = await compareVersions(ctx, evaluation, version, holder);
    for (const gate of against)
      differences.set(
        gate,
        compared.ok ? compared.difference(gate.metric, gate.confidence ?? 0.95) : { ok: false, reason: compared.reason },
      );
  }
  const reported = await reportedFigures(ctx, version);
  const results: GateResult[] = gates.map((gate) => judgeGate(gate, { evaluation, reported, againstChampion: (g) => differences.get(g) }));
  const seen = evaluation && seenInTraining(evaluation, [version]);
  if (seen) results.push({ gate: { metric: 'evaluation' }, passed: false, found: `n = ${evaluation.rows}`, why: seen });
  // Without gates an evaluation must still be there: nothing is released unseen.
  if (gates.length === 0 && !evaluation)
    results.push({ gate: { metric: 'evaluation' }, passed: false, found: 'none', why: 'the version has no evaluation made by Gyre' });
  const failed = results.filter((r) => !r.passed);
  return record(ctx, version, {
    outcome: failed.length === 0 ? 'passed' : 'failed',
    results,
    gates,
    evaluation,
    championId: holder?.id ?? null,
    reason: failed.length === 0 ? `all ${results.length} gates passed` : failed.map((r) => r.why).join('; '),
  });
}

// What the training code said of the model, or else of the run that logged it; the latest point counts.
async function reportedFigures(ctx: Ctx, { loggedModelId, trackingRunId }: ModelVersion): Promise<Map<string, number>> {
  const ofRun = trackingRunId === null ? [] : (await getRunData(ctx, trackingRunId)).metrics;
  const ofModel = loggedModelId === null ? [] : ((await modelMetricsOf(ctx.db, ctx.workspace, [loggedModelId])).get(loggedModelId) ?? []);
  return new Map([...ofRun, ...ofModel].map((m) => [m.key, m.value]));
}

/** Lets a version pass against its gates: named, with a reason, recorded. Raises `override-needs-reason`. */
export async function override(ctx: Ctx, version: ModelVersion, gates: readonly Gate[], reason: string): Promise<Decision> {
  if (version.state !== 'sealed') fail('version-unsealed', { model: version.model, version: version.number });
  if (reason.trim().length < 10) fail('override-needs-reason', {});
  const before = await findDecision(ctx, version);
  const evaluation = await evaluationOf(ctx, version);
  return record(ctx, version, {
    outcome: 'overridden',
    results: before?.results ?? [],
    gates,
    evaluation,
    championId: (await champion(ctx, version))?.id ?? null,
    reason,
  });
}

interface Outcome {
  readonly outcome: Decision['outcome'];
  readonly results: readonly GateResult[];
  readonly gates: readonly Gate[];
  readonly evaluation: Evaluation | undefined;
  readonly championId: string | null;
  readonly reason: string;
}

const record = (ctx: Ctx, version: ModelVersion, o: Outcome): Promise<Decision> =>
  ctx.tx(async (tx) => {
    const decision: Decision = {
      id: newId('dec', tx.ids),
      model: version.model,
      versionId: version.id,
      evaluationId: o.evaluation?.id ?? null,
      championId: o.championId,
      gateDigest: gateDigest(o.gates),
      outcome: o.outcome,
      results: o.results,
      reason: o.reason,
      actor: { kind: tx.actor.kind, id: tx.actor.id },
      recordedMs: tx.clock.now(),
    };
    await store.insertDecision(tx.db, tx.workspace, decision);
    const self = { kind: 'decision', id: decision.id };
    await tx.emit({
      type: 'decision.recorded',
      subject: self,
      label: `gate of ${version.model} version ${version.number}: ${decision.outcome}`,
      payload: { outcome: decision.outcome, version: version.id, gates: decision.gateDigest },
      edges: [
        { from: self, to: { kind: 'model-version', id: version.id }, relation: 'decides' },
        ...(o.evaluation ? [{ from: self, to: { kind: 'evaluation', id: o.evaluation.id }, relation: 'evidence' }] : []),
      ],
    });
    return decision;
  });

/**
 * The decision that lets this version be released under these gates. Raises `gate-not-passed` if there is
 * none, if it failed, or if champion, evaluation or gates have changed since.
 */
export async function requirePassed(ctx: Ctx, version: ModelVersion, gates: readonly Gate[]): Promise<Decision> {
  const refuse = (reason: string): never => fail('gate-not-passed', { model: version.model, version: version.number, reason });
  if (version.signature === null)
    refuse(`nothing here can serve it: ${version.unservableBecause ?? version.unsealedBecause ?? 'it is not sealed'}.`);
  const decision = (await findDecision(ctx, version)) ?? refuse('no gate decision is recorded; decide first.');
  if (!isCurrent(decision, await standingOf(ctx, version, gates)))
    return refuse('its decision has expired, for the gates, the evaluation or the champion changed; decide again.');
  if (!allows(decision)) return refuse(decision.reason);
  return decision;
}
