// Fills the online store from the materialised views, in a process of its own, only what is new.
import { fork } from 'node:child_process';
import { extname, join } from 'node:path';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint, failpointEnvironment } from '../../../kernel/failpoints.ts';
import { recordedMs } from '../../../kernel/recorded.ts';
import { turns } from '../../../kernel/turns.ts';
import { currentVersion, stageFiles } from '../../datasets/public.ts';
import { currentRevision, type FeatureServiceDefinition, type FeatureViewDefinition, type Revision } from '../../projects/public.ts';
import { fail } from '../errors.ts';
import type { ViewColumn } from '../model.ts';
import type { FillReply, FillRequest } from '../online-filler.ts';
import { heldMark } from '../online-store.ts';
import * as store from '../store.ts';
import type { ViewTable } from '../store.ts';
import { materialiseView } from './view-table.ts';

/** The file of the online store of a project; data planes open it read-only. */
export const onlineStorePath = (ctx: Ctx, project: string): string => join(ctx.settings.dir, 'online', ctx.workspace, `${project}.db`);

export interface Materialised {
  readonly view: string;
  readonly rows: number;
  readonly added: number;
}

const inTurn = turns();

/** A store has one writer: what writes to a project's waits for its turn. */
export const onlineTurn = <T>(ctx: Ctx, project: string, body: () => Promise<T>): Promise<T> => inTurn(`${ctx.workspace}/${project}`, body);

/** Brings every view that a feature service uses up to its dataset's current version, one call at a time: a store has one writer. */
export const materialiseViews = (ctx: Ctx, project: string): Promise<Materialised[]> =>
  onlineTurn(ctx, project, () => materialiseAll(ctx, project));

async function materialiseAll(ctx: Ctx, project: string): Promise<Materialised[]> {
  const revision = await currentRevision(ctx, project);
  const { definition } = revision;
  const used = new Set(Object.values(definition.services).flatMap((s) => s.views));
  const done: Materialised[] = [];
  for (const view of Object.values(definition.views).filter((v) => used.has(v.name))) {
    const version = await currentVersion(ctx, project, view.dataset).catch(() => undefined);
    if (!version) continue;
    const table = await materialiseView(ctx, { definition, snapshot: revision.snapshot, view, version });
    const held = await store.findOnline(ctx.db, ctx.workspace, project, view.name);
    const state = await ctx.timeline.read(ctx.db, ctx.workspace, project);
    const key = `${table.key}:${view.ttlUs ?? ''}`;
    const storePath = onlineStorePath(ctx, project);
    const mark = markOf(table, view);
    const inStore = heldMark(storePath, view.name);
    if (held?.key === key && inStore === mark) {
      done.push({ view: view.name, rows: table.rows, added: 0 });
      continue;
    }
    const [after] = await stageFiles(ctx, [table.digest]);
    const usable = inStore !== undefined && shapeOf(inStore) === shapeOf(mark);
    const before = usable ? { mark: inStore, file: (await stageFiles(ctx, [digestOf(inStore)]))[0]! } : null;
    const reply = await fillInProcess(
      {
        storePath,
        view: view.name,
        entity: table.entityColumns,
        columns: table.columns,
        ttlUs: view.ttlUs,
        before,
        after: { mark, file: after! },
        horizonUs: state.mode === 'live' ? state.nowUs : null,
      },
      ctx.signal,
    );
    failpoint('features.before-online-recorded');
    await ctx.tx(async (tx) => {
      await store.putOnline(tx.db, tx.workspace, project, view.name, { key, digest: table.digest }, recordedMs(tx));
      const self = { kind: 'feature-view', id: `${project}/${view.name}` };
      await tx.emit({
        type: 'feature-view.materialised',
        subject: self,
        label: `feature view ${view.name}`,
        project,
        payload: { rows: table.rows, added: reply.kept, rebuilt: reply.rebuilt },
        edges: [{ from: self, to: { kind: 'dataset-version', id: version.id }, relation: 'input' }],
      });
    });
    failpoint('features.after-online-recorded');
    done.push({ view: view.name, rows: table.rows, added: reply.kept });
  }
  return done;
}

// What the store holds, as it is written into the store itself in the transaction that fills it: the table's
// digest, and the shape in which its rows lie there.
const markOf = (table: ViewTable, view: FeatureViewDefinition): string =>
  `${table.digest} ${JSON.stringify([table.entityColumns, table.columns, view.ttlUs])}`;
const digestOf = (mark: string): string => mark.slice(0, mark.indexOf(' '));
const shapeOf = (mark: string): string => mark.slice(mark.indexOf(' '));

function fillInProcess(request: FillRequest, signal: AbortSignal): Promise<FillReply> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, `../online-filler${extname(import.meta.filename)}`), [], {
      execArgv: ['--no-warnings'],
      serialization: 'advanced',
      env: { PATH: process.env.PATH, TZ: 'UTC', ...failpointEnvironment() },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const cancel = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    child.once('message', (reply: FillReply | { error: string }) =>
      'error' in reply ? reject(new Error(`filling the online store: ${reply.error}`)) : resolve(reply),
    );
    child.once('error', reject);
    child.once('exit', (code, killed) => {
      signal.removeEventListener('abort', cancel);
      reject(new Error(`the process that fills the online store ended (${killed ?? code})`));
    });
    child.send(request);
  });
}

export interface ServiceForPlan {
  readonly service: FeatureServiceDefinition;
  readonly storePath: string;
  readonly views: readonly {
    readonly definition: FeatureViewDefinition;
    readonly columns: readonly ViewColumn[];
    readonly entityColumns: readonly ViewColumn[];
  }[];
}

/** What a data plane needs to look a service's features up. Raises `feature-service-not-found`, `dataset-empty`. */
export async function serviceForPlan(ctx: Ctx, revision: Revision, name: string): Promise<ServiceForPlan> {
  const { definition, project } = revision;
  const service = definition.services[name] ?? fail('feature-service-not-found', { project, service: name });
  const views = [];
  for (const viewName of service.views) {
    const view = definition.views[viewName]!;
    const table = await materialiseView(ctx, {
      definition,
      snapshot: revision.snapshot,
      view,
      version: await currentVersion(ctx, project, view.dataset),
    });
    views.push({ definition: view, columns: table.columns, entityColumns: table.entityColumns });
  }
  return { service, storePath: onlineStorePath(ctx, project), views };
}
