import type { Ctx } from '../../../kernel/ctx.ts';
import type { Trial } from '../model.ts';

interface Towards {
  readonly kind: string;
  readonly id: string;
  readonly relation: string;
}

/** Emits what became of a trial; the words of a person stay with the record. */
export async function tell(
  tx: Ctx,
  { id, name, endpoint, project }: Trial,
  what: string,
  payload: Readonly<Record<string, unknown>>,
  towards: readonly Towards[] = [],
): Promise<void> {
  const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, project);
  const self = { kind: 'trial', id };
  await tx.emit({
    type: `trial.${what}`,
    subject: self,
    label: `trial ${name} on ${endpoint}`,
    project,
    payload: { endpoint, ...payload },
    edges: towards.map(({ relation, ...to }) => ({ from: self, to, relation })),
    occurredUs: nowUs,
  });
}
