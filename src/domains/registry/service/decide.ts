// Gates: the recorded decision whether a version may be released.
import { createHash } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { rocAucDifference } from '../../../stats/auc.ts';
import { fail } from '../errors.ts';
import {
  allows,
  isCurrent,
  judgeGate,
  type Decision,
  type Evaluation,
  type Gate,
  type GateResult,
  type ModelVersion,
  type PairedDifference,
} from '../model.ts';
import * as store from '../store.ts';
import { getEvaluation, scoresOf } from './evaluate.ts';
import { championAlias, findVersion } from './versions.ts';

export const gateDigest = (gates: readonly Gate[]): string => createHash('sha256').update(JSON.stringify(gates)).digest('hex');

async function champion(ctx: Ctx, candidate: ModelVersion): Promise<ModelVersion | undefined> {
  const version = await findVersion(ctx, candidate.model, championAlias).catch(() => undefined);
  return version?.id === candidate.id ? undefined : version;
}

/** Judges the model's gates on the version's evaluation and records the decision, whatever it is. Raises `version-unsealed`. */
export async function decide(ctx: Ctx, version: ModelVersion, gates: readonly Gate[]): Promise<Decision> {
  if (version.state !== 'sealed') fail('version-unsealed', { model: version.model, version: version.number });
  const evaluation = version.evidence.evaluation ? await getEvaluation(ctx, version.evidence.evaluation) : undefined;
  const holder = await champion(ctx, version);
  const differences = new Map<Gate, PairedDifference>();
  if (evaluation && holder)
    for (const gate of gates.filter((g) => g.notWorseThan)) differences.set(gate, await compare(ctx, gate, evaluation, holder));
  const results: GateResult[] = evaluation
    ? gates.map((gate) => judgeGate(gate, evaluation, (g) => (holder ? differences.get(g) : undefined)))
    : [{ gate: { metric: 'evaluation' }, passed: false, found: 'none', why: 'the version has no evaluation made by Gyre' }];
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

async function compare(ctx: Ctx, gate: Gate, evaluation: Evaluation, holder: ModelVersion): Promise<PairedDifference> {
  if (gate.metric !== 'roc_auc') return { ok: false, reason: `a paired comparison of ${gate.metric} is not offered; use roc_auc` };
  if (!holder.evidence.evaluation) return { ok: false, reason: 'the champion has no evaluation' };
  const [mine, theirs] = [await scoresOf(ctx, evaluation), await scoresOf(ctx, await getEvaluation(ctx, holder.evidence.evaluation))];
  const shared = [...mine.keys()].filter((key) => theirs.has(key));
  if (shared.length < mine.size)
    return { ok: false, reason: `the champion was scored on ${shared.length} of these ${mine.size} rows; evaluate both on the same rows` };
  const pick = (from: typeof mine, what: 'label' | 'score'): Float64Array => Float64Array.from(shared, (key) => from.get(key)![what]);
  return rocAucDifference(pick(mine, 'label'), pick(mine, 'score'), pick(theirs, 'score'), gate.confidence ?? 0.95);
}

/** Lets a version pass against its gates: named, with a reason, recorded. Raises `override-needs-reason`. */
export async function override(ctx: Ctx, version: ModelVersion, gates: readonly Gate[], reason: string): Promise<Decision> {
  if (version.state !== 'sealed') fail('version-unsealed', { model: version.model, version: version.number });
  if (reason.trim().length < 10) fail('override-needs-reason', {});
  const before = await store.findLatestDecision(ctx.db, ctx.workspace, version.id);
  const evaluation = version.evidence.evaluation ? await getEvaluation(ctx, version.evidence.evaluation) : undefined;
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
      payload: { outcome: decision.outcome, version: version.id, reason: decision.reason },
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
  const decision =
    (await store.findLatestDecision(ctx.db, ctx.workspace, version.id)) ?? refuse('no gate decision is recorded; decide first.');
  const now = {
    gateDigest: gateDigest(gates),
    evaluationId: version.evidence.evaluation ?? null,
    championId: (await champion(ctx, version))?.id ?? null,
  };
  if (!isCurrent(decision, now))
    return refuse('its decision has expired, for the gates, the evaluation or the champion changed; decide again.');
  if (!allows(decision)) return refuse(decision.reason);
  return decision;
}
