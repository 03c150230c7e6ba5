// The serving plan from what is released: every endpoint's current revision, with all a data plane needs.
import { relative } from 'node:path';
import { makeCtx, systemActor, type Ctx } from '../../../kernel/ctx.ts';
import { hasUsers, isLoopback } from '../../access/public.ts';
import { serviceForPlan, type ServiceForPlan } from '../../features/public.ts';
import { currentRevision, type EndpointDefinition } from '../../projects/public.ts';
import { getVersion, versionFolder, type ModelVersion } from '../../registry/public.ts';
import { writePlan, type ColumnType, type Missing, type PlanColumn, type PlanEndpoint } from '../../serving/public.ts';
import { fail } from '../errors.ts';
import type { EndpointRevision } from '../model.ts';
import * as store from '../store.ts';

const columnType = (tensorType: string): ColumnType =>
  /string/i.test(tensorType) ? 'string' : /bool/i.test(tensorType) ? 'boolean' : /int/i.test(tensorType) ? 'integer' : 'number';

/** Columns of the request and of the feature service, typed by the model's signature and the views. */
export function planColumns(
  definition: EndpointDefinition,
  version: ModelVersion,
  service: ServiceForPlan | null,
): { request: PlanColumn[]; provided: Set<string> } {
  const inputs = new Map((version.signature?.inputs ?? []).map((t) => [t.name, columnType(t.type)]));
  const keys = new Map((service?.views ?? []).flatMap((v) => v.entityColumns.map((c) => [c.name, c.type] as const)));
  const missing = (name: string): Missing => {
    const rule = definition.missing[name];
    return rule === undefined || rule.kind === 'null' ? null : rule.kind === 'reject' ? 'reject' : { default: rule.value };
  };
  const names = service ? service.service.request : [...inputs.keys()];
  // A lookup key that is no model input may be empty only if the project says so; one that is missing finds nothing.
  const request = names.map((name) => ({ name, type: inputs.get(name) ?? keys.get(name) ?? 'string', missing: missing(name) }));
  const provided = new Set([...names, ...(service?.views ?? []).flatMap((v) => v.columns.map((c) => c.name))]);
  return { request, provided };
}

/** Raises `endpoint-signature-mismatch` if the model reads a column nobody provides. */
export function checkSignature(endpoint: string, version: ModelVersion, provided: ReadonlySet<string>): void {
  const lacking = (version.signature?.inputs ?? []).map((t) => t.name).filter((name) => !provided.has(name));
  if (lacking.length > 0) fail('endpoint-signature-mismatch', { endpoint, columns: lacking.join(', ') });
}

async function planEndpoint(ctx: Ctx, revision: EndpointRevision): Promise<PlanEndpoint | undefined> {
  const { definition } = await currentRevision(ctx, revision.project);
  const endpoint = definition.endpoints[revision.endpoint];
  if (!endpoint) return undefined;
  const service = endpoint.service === null ? null : await serviceForPlan(ctx, revision.project, endpoint.service);
  const versions = await Promise.all(revision.variants.map((v) => getVersion(ctx, v.versionId)));
  const { request } = planColumns(endpoint, versions[0]!, service);
  const timeline = await ctx.timeline.read(ctx.db, ctx.workspace, revision.project);
  return {
    name: revision.endpoint,
    workspace: ctx.workspace,
    project: revision.project,
    revision: revision.number,
    timeline,
    assignBy: endpoint.assignBy[0] ?? null,
    salt: `${ctx.workspace}/${revision.endpoint}`,
    variants: await Promise.all(
      revision.variants.map(async (v, i) => ({
        id: v.id,
        model: v.model,
        modelVersion: String(v.number),
        modelDigest: versions[i]!.digest!,
        modelPath: await versionFolder(ctx, versions[i]!),
        weight: v.weight,
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
    log: { personal: endpoint.personal.map((column) => ({ column, how: 'hmac' as const })) },
  };
}

// One after the other, so that what is written last is what was read last and has the highest number.
let turn: Promise<unknown> = Promise.resolve();

/** Writes the next plan of this server. Returns its number. */
export function publishPlan(ctx: Ctx): Promise<number> {
  const mine = turn.then(() => publishNow(ctx));
  turn = mine.catch(() => undefined);
  return mine;
}

async function publishNow(ctx: Ctx): Promise<number> {
  const endpoints: PlanEndpoint[] = [];
  for (const { workspace, revision } of await store.listAllCurrent(ctx.database.reader)) {
    const own = makeCtx(ctx, { actor: systemActor, workspace });
    const planned = await planEndpoint(own, revision);
    if (planned) endpoints.push(planned);
  }
  const number = await ctx.tx((tx) => store.takePlanNumber(tx.db));
  const open = isLoopback(ctx.settings.host) && !(await hasUsers(ctx.database.reader));
  writePlan(ctx.settings.dir, { format: 1, number, access: { open, tokens: [] }, suppression: 0, endpoints });
  return number;
}
