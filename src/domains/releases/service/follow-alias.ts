// An endpoint that follows the alias of its model: who points the alias at a version, begins a release of it. The gate has been
// asked when the alias moved (registry), and is asked again here.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { defineJob } from '../../../kernel/jobs/jobs.ts';
import { currentRevision, listProjectNames } from '../../projects/public.ts';
import { championAlias, setAlias, versionByAlias } from '../../registry/public.ts';
import * as endpoints from '../store/endpoints.ts';
import * as store from '../store/releases.ts';
import { beginRelease } from './release.ts';
import { settle } from './settle.ts';

export const followAlias = defineJob<{ model: string; by: string }>({
  name: 'releases.follow-alias',
  besideDataPlane: true,
  timeoutMs: 120_000,
  retry: { limit: 5, backoffMs: 1000 },
  run: async (ctx, { model, by }) => {
    for (const project of await listProjectNames(ctx)) {
      const { definition } = await currentRevision(ctx, project);
      for (const e of Object.values(definition.endpoints))
        if (e.model === model && e.follow === championAlias) await follow(ctx, { project, endpoint: e.name, model, by });
    }
  },
});

interface Followed {
  readonly project: string;
  readonly endpoint: string;
  readonly model: string;
  readonly by: string;
}

async function follow(ctx: Ctx, { project, endpoint, model, by }: Followed): Promise<void> {
  const version = await versionByAlias(ctx, model, championAlias);
  if (!version) return;
  const active = await store.findActive(ctx.db, ctx.workspace, endpoint);
  const served = await endpoints.findCurrent(ctx.db, ctx.workspace, project, endpoint);
  // A release moves the alias itself when it ends; then there is nothing to follow.
  if (active?.candidate.versionId === version.id) return;
  const stable = (active?.previous ? await endpoints.getRevision(ctx.db, ctx.workspace, active.previous) : served)?.variants[0];
  if (stable?.versionId === version.id) return;
  // The alias names what has all traffic, and the gate compared with that: until the version is promoted it stays there.
  if (stable?.model === model) await setAlias(ctx, model, championAlias, stable.number);
  try {
    const reason = `the alias ${championAlias} was pointed at version ${version.number} by ${by}`;
    await settle(ctx, await beginRelease(ctx, { project, endpoint, version: String(version.number), reason, replaces: true }));
  } catch (error) {
    if (!isProblem(error)) throw error;
    const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
    await ctx.tx((tx) =>
      tx.emit({
        type: 'endpoint.alias-not-followed',
        subject: { kind: 'endpoint', id: endpoint },
        label: `${endpoint} does not follow ${championAlias} to version ${version.number}`,
        project,
        payload: { endpoint, version: version.id, code: error.code, why: error.message },
        occurredUs: nowUs,
      }),
    );
  }
}
