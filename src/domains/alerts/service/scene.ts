// What a decision about alerts needs to know of its project.
import { createHash } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import { listQuarantined } from '../../datasets/public.ts';
import { currentRevision, type ReceiverDefinition } from '../../projects/public.ts';
import { isActive, labelsOf, type Rule } from '../model.ts';
import { rulesOf } from '../rules.ts';
import { listAlerts } from '../store/alerts.ts';
import { listRules } from '../store/rules.ts';

export interface Scene {
  readonly project: string;
  readonly rules: readonly Rule[];
  readonly receivers: Readonly<Record<string, ReceiverDefinition>>;
  readonly revision: string;
}

/** Raises `project-not-found`. */
export async function sceneOf(ctx: Ctx, project: string): Promise<Scene> {
  const { definition, id } = await currentRevision(ctx, project);
  const rules = rulesOf(definition, await listRules(ctx.db, ctx.workspace, project));
  return { project, rules, receivers: definition.receivers, revision: id };
}

/** Severity may change without a new alert, so it is no part of what tells alerts apart. */
export function fingerprintOf(project: string, rule: Rule): string {
  const { severity: _, ...labels } = labelsOf(project, rule);
  const text = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

const ALL = '~';
const MOST = 1000;

/** Why drift of this monitor says nothing at present; '' = it does. */
export async function mutedByData(ctx: Ctx, project: string, monitor: string): Promise<string> {
  const active = await listAlerts(ctx.db, ctx.workspace, project, { monitor, states: ['firing', 'recovering'] }, ALL, MOST);
  const broken = active.find((a) => a.signal === 'quality' && isActive(a.state));
  if (broken) return `the quality alert "${broken.rule}" is ${broken.state}`;
  const [quarantined] = await listQuarantined(ctx.db, ctx.workspace, project);
  return quarantined === undefined ? '' : `the newest version of dataset "${quarantined}" is in quarantine`;
}
