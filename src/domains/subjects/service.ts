import type { Ctx } from '../../kernel/ctx.ts';
import { newId } from '../../kernel/ids.ts';
import type { ProjectDefinition } from '../projects/public.ts';
import { fail } from './errors.ts';
import { hmacOf, subjectKey } from './hmac.ts';
import { holds, type Subject } from './model.ts';
import * as store from './store.ts';

/** Reads "kind=value" with the columns that the project names for it. Raises `subject-invalid`. */
export function subjectOf(definition: ProjectDefinition, text: string): Subject {
  const [, kind, value] = /^([^=\s]{1,100})=(.{1,1000})$/s.exec(text) ?? fail('subject-invalid', {});
  const columns = Object.hasOwn(definition.subjects, kind!) ? definition.subjects[kind!]! : [kind!];
  return { kind: kind!, value: value!, columns };
}

/** What must be left out of a project from now on. */
export interface Suppressed {
  /** Grows with each erasure; 0 = nobody. */
  readonly number: number;
  readonly columns: readonly string[];
  /** Whether this value of this column is a suppressed subject's. */
  readonly has: (column: string, value: unknown) => boolean;
}

export async function suppressedIn(ctx: Ctx, project: string): Promise<Suppressed> {
  const list = await store.listSuppressions(ctx.db, ctx.workspace, project);
  const key = list.length > 0 ? subjectKey(ctx.settings.dir) : undefined;
  return {
    number: list.reduce((most, s) => Math.max(most, s.number), 0),
    columns: [...new Set(list.flatMap((s) => s.columns))],
    has: (column, value) => {
      if (key === undefined || value === null || value === undefined) return false;
      const own = list.filter((s) => s.columns.some((c) => holds(column, c)));
      return own.length > 0 && own.some((s) => s.hmac === hmacOf(key, value));
    },
  };
}

/** For the serving plan: columns and HMACs of a project. */
export const suppressionsForPlan = async (ctx: Ctx, project: string): Promise<{ columns: string[]; hmac: string }[]> =>
  (await store.listSuppressions(ctx.db, ctx.workspace, project)).map((s) => ({ columns: [...s.columns], hmac: s.hmac }));

/** Suppresses a subject from now on; a second time changes nothing. In a transaction. */
export const suppress = (tx: Ctx, project: string, subject: Subject, erasureId: string): Promise<void> =>
  suppressHmac(tx, project, hmacOf(subjectKey(tx.settings.dir), subject.value), subject.columns, erasureId);

/** The same where only the HMAC is known. */
export async function suppressHmac(tx: Ctx, project: string, hmac: string, columns: readonly string[], erasureId: string): Promise<void> {
  const list = await store.listSuppressions(tx.db, tx.workspace, project);
  const before = list.find((s) => s.hmac === hmac)?.columns ?? [];
  await store.insertSuppression(tx.db, tx.workspace, {
    id: newId('sup', tx.ids),
    project,
    number: list.reduce((most, s) => Math.max(most, s.number), 0) + 1,
    columns: [...new Set([...before, ...columns])],
    hmac,
    erasureId,
    createdMs: tx.clock.now(),
  });
}

/** Keeps others from reading the project's data until the erasure has ended. Raises `erasure-running`. In a transaction. */
export async function hold(tx: Ctx, project: string, erasureId: string): Promise<void> {
  if (!(await store.insertHold(tx.db, tx.workspace, project, erasureId, tx.clock.now()))) await refuseWhileErasing(tx, project);
}

export const endHold = (tx: Ctx, project: string, erasureId: string) => store.deleteHold(tx.db, tx.workspace, project, erasureId);

/** Raises `erasure-running`. */
export async function refuseWhileErasing(ctx: Ctx, project: string): Promise<void> {
  const erasure = await store.findHold(ctx.db, ctx.workspace, project);
  if (erasure !== undefined) fail('erasure-running', { project, erasure });
}
