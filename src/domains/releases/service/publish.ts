// The serving plan from what is released: every endpoint's current revision, with all a data plane needs.
import { relative } from 'node:path';
import { makeCtx, systemActor, type Ctx } from '../../../kernel/ctx.ts';
import { isLoopback } from '../../../kernel/http/loopback.ts';
import { turns } from '../../../kernel/turns.ts';
import { isGuarded, tokensFor } from '../../access/public.ts';
import { personalColumns } from '../../datasets/public.ts';
import { serviceForPlan, type ServiceForPlan } from '../../features/public.ts';
import { revisionById, type EndpointDefinition } from '../../projects/public.ts';
import { getVersion, versionFolder, versionInterpreter, withTags, type ModelVersion } from '../../registry/public.ts';
import {
  faultOf,
  processOf,
  readPlan,
  writePlan,
  type ColumnType,
  type Missing,
  type PlanColumn,
  type PlanEndpoint,
} from '../../serving/public.ts';
import { countSuppressions, suppressionsForPlan } from '../../subjects/public.ts';
import { fail } from '../errors.ts';
import type { EndpointRevision } from '../model.ts';
import * as store from '../store/endpoints.ts';

const columnType = (tensorType: string): ColumnType =>
  /string/i.test(tensorType) ? 'string' : /bool/i.test(tensorType) ? 'boolean' : /int/i.test(tensorType) ? 'integer' : 'number';

/**
 * Columns of the request and of the feature service, typed by the signatures of the models and the views. What only those
 * read that get no traffic is nobody's duty to send.
 */
export function planColumns(
  definition: EndpointDefinition,
  versions: readonly ModelVersion[],
  service: ServiceForPlan | null,
  serving: readonly ModelVersion[] = versions,
): { request: PlanColumn[]; provided: Set<string> } {
  const inputsOf = (of: readonly ModelVersion[]) =>
    new Map(of.flatMap((v) => v.signature?.inputs ?? []).map((t) => [t.name, columnType(t.type)]));
  const read = inputsOf(serving);
  const inputs = new Map([...inputsOf(versions), ...read]);
  const keys = new Map((service?.views ?? []).flatMap((v) => v.entityColumns.map((c) => [c.name, c.type] as const)));
  // What the model or a look-up reads must be sent, unless the project says what stands for it; a column that is
  // only carried along (an id to find the prediction by) may be left out.
  const missing = (name: string): Missing => {
    const rule = definition.missing[name] ?? { kind: read.has(name) || keys.has(name) ? 'reject' : 'null' };
    return rule.kind === 'default' ? { default: rule.value } : rule.kind === 'reject' ? 'reject' : null;
  };
  const names = service ? service.service.request : [...inputs.keys()];
  const request = names.map((name) => ({ name, type: inputs.get(name) ?? keys.get(name) ?? 'string', missing: missing(name) }));
  const provided = new Set([...names, ...(service?.views ?? []).flatMap((v) => v.columns.map((c) => c.name))]);
  return { request, provided };
}

/** Raises `endpoint-signature-mismatch` if the model reads a column nobody provides. */
export function checkSignature(endpoint: string, version: ModelVersion, provided: ReadonlySet<string>): void {
  const lacking = (version.signature?.inputs ?? []).map((t) => t.name).filter((name) => !provided.has(name));
  if (lacking.length > 0) fail('endpoint-signature-mismatch', { endpoint, columns: lacking.join(', ') });
}

async function planEndpoint(ctx: Ctx, revision: EndpointRevision): Promise<PlanEndpoint> {
  // A revision is immutable: it serves what the project said when it was made, whatever was applied since.
  const pinned = await revisionById(ctx, revision.projectRevision);
  const { definition } = pinned;
  const endpoint = definition.endpoints[revision.endpoint]!;
  const service = endpoint.service === null ? null : await serviceForPlan(ctx, pinned, endpoint.service);
  const versions = await Promise.all(revision.variants.map((v) => getVersion(ctx, v.versionId)));
  const serving = versions.filter((_, i) => revision.variants[i]!.weight > 0);
  const { request } = planColumns(endpoint, versions, service, serving);
  const tagged = await withTags(ctx, versions);
  const faults = ctx.settings.faultInjection ? tagged.map(({ tags }) => faultOf(tags)) : [];
  const processes = tagged.map(({ tags }) => processOf(tags));
  const classified = await personalColumns(ctx, pinned);
  const timeline = await ctx.timeline.read(ctx.db, ctx.workspace, revision.project);
  return {
    name: revision.endpoint,
    workspace: ctx.workspace,
    project: revision.project,
    revision: revision.number,
    timeline,
    assignBy: endpoint.assignBy[0] ?? null,
    salt: saltOf(ctx.workspace, revision),
    ...(revision.perRequest ? { perRequest: true } : {}),
    variants: await Promise.all(
      revision.variants.map(async (v, i) => ({
        id: v.id,
        model: v.model,
        modelVersion: String(v.number),
        modelDigest: versions[i]!.digest!,
        modelPath: await versionFolder(ctx, versions[i]!),
        ...(await pythonOf(ctx, versions[i]!)),
        weight: v.weight,
        ...(v.shadow === undefined ? {} : { shadow: v.shadow }),
        ...(processes[i] ? { process: processes[i] } : {}),
        ...(faults[i] ? { fault: faults[i] } : {}),
      })),
    ),
    request,
    featureService: service && {
      name: service.service.name,
      views: service.views.map((v) => ({
        view: v.definition.name,
        entity: [...v.definition.entity],
        columns: v.columns.map((c) => ({ name: c.name, type: c.type, missing: null })),
        ttlUs: v.definition.ttlUs,
        storePath: relative(ctx.settings.dir, service.storePath),
      })),
    },
    unknownColumns: 'reject',
    output: { score: definition.models[endpoint.model]?.score ?? 'probabilities' },
    // A column goes by its name all the way from the dataset to the request.
    suppressed: await suppressionsForPlan(ctx, revision.project),
    log: {
      personal: [...new Set([...endpoint.personal, ...classified])].map((column) => ({ column, how: 'hmac' as const })),
      ...(endpoint.logShare < 1 ? { share: endpoint.logShare } : {}),
    },
  };
}

/** Of a model in Python; it was made when the release began, and is only looked at here. */
async function pythonOf(ctx: Ctx, version: ModelVersion): Promise<{ interpreter?: string }> {
  const interpreter = await versionInterpreter(ctx, version);
  return interpreter === undefined ? {} : { interpreter: relative(ctx.settings.dir, interpreter) };
}

/** Keys keep their variant while a release takes its steps; each trial shuffles them anew, so that no trial sees what the last one did. */
export const saltOf = (workspace: string, { endpoint, trial }: Pick<EndpointRevision, 'endpoint' | 'trial'>): string =>
  trial === null ? `${workspace}/${endpoint}` : `${workspace}/${endpoint}/${trial}`;

// One after the other, so that what is written last is what was read last and has the highest number.
const inTurn = turns();

/** Writes the next plan of this server. Returns its number. */
export const publishPlan = (ctx: Ctx): Promise<number> => inTurn('plan', () => publishNow(ctx));

async function publishNow(ctx: Ctx): Promise<number> {
  const endpoints: PlanEndpoint[] = [];
  for (const { workspace, revision } of await store.listAllCurrent(ctx.database.reader)) {
    try {
      endpoints.push(await planEndpoint(makeCtx(ctx, { actor: systemActor, workspace }), revision));
    } catch (error) {
      // One endpoint that cannot be planned must not hold up the others; it goes on as it was.
      ctx.log.error({ event: 'serving.endpoint.not-planned', endpoint: revision.endpoint, revision: revision.id, error });
      const before = readPlan(ctx.settings.dir)?.endpoints.find((e) => e.workspace === workspace && e.name === revision.endpoint);
      if (before) endpoints.push(before);
    }
  }
  const number = await ctx.tx((tx) => store.takePlanNumber(tx.db));
  const open = isLoopback(ctx.settings.host) && !(await isGuarded(ctx));
  const tokens = await tokensFor(ctx, 'serving:predict', endpoints);
  writePlan(ctx.settings.dir, {
    format: 1,
    number,
    access: { open, tokens },
    suppression: await countSuppressions(ctx.database.reader),
    endpoints,
  });
  return number;
}
