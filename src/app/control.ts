// The control plane: the HTTP API, the scheduler and the jobs. The only process that writes the database.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { accessOf, createUser, hasUsers, isGuarded, writeDenials } from '../domains/access/public.ts';
import { publishPlan, watchReleases } from '../domains/releases/public.ts';
import type { Settings } from '../kernel/config/settings.ts';
import { makeCtx, systemActor } from '../kernel/ctx.ts';
import { defineErrors } from '../kernel/errors.ts';
import { newestEventOf } from '../kernel/events/events.ts';
import { isLoopback } from '../kernel/http/loopback.ts';
import { buildServer } from '../kernel/http/server.ts';
import { compose, dialectOf, type Composition } from './compose.ts';
import { serverRoutes } from './server-routes.ts';
import { openPlatform, type PlatformOptions, type RunningPlatform } from './platform.ts';

const { fail } = defineErrors({
  'users-needed': {
    status: 400,
    title: 'An address that others reach needs users',
    detail: (p: { host: string }) =>
      `To listen on ${p.host}, define an administrator first: gyre up --admin-user NAME --admin-password-file FILE. On 127.0.0.1 no login is needed.`,
  },
  'admin-needed': {
    status: 400,
    title: 'Logins need an administrator',
    detail: (_: object) =>
      'With --auth basic everybody logs in, and there are no users yet: add --admin-user NAME --admin-password-file FILE. No administrator and no password is there by itself.',
  },
  'port-in-use': {
    status: 409,
    title: 'The port is taken',
    detail: (p: { port: number }) =>
      `Port ${p.port} is in use by another program. Choose another one with --port, or --port 0 for any free one.`,
  },
  'password-unreadable': {
    status: 400,
    title: 'The password cannot be read',
    detail: (p: { file: string; why: string }) => `The file ${p.file}, named by --admin-password-file, cannot be read: ${p.why}.`,
  },
  'password-too-short': {
    status: 400,
    title: 'The password is too short',
    detail: (p: { file: string }) => `The password in ${p.file} has fewer than 12 characters.`,
  },
});

export interface Control extends RunningPlatform {
  readonly app: FastifyInstance;
  readonly url: string;
}

export interface Bootstrap {
  /** Everybody logs in, also on the loopback address. */
  readonly auth?: 'basic';
  readonly adminUser?: string;
  readonly adminPasswordFile?: string;
  /** Whether a data plane is to read this folder; absent: it is. */
  readonly dataPlane?: boolean;
}

/** Opens the platform and listens. Raises `users-needed`, `admin-needed`, `port-in-use`, `schema-newer`. */
export async function startControl(
  settings: Settings,
  bootstrap: Bootstrap = {},
  overrides: Partial<PlatformOptions> = {},
): Promise<Control> {
  let url = '';
  let composition: Composition | undefined;
  const running = await openPlatform({
    settings,
    compose: (blobs) => (composition = compose(blobs, () => url)),
    dataPlane: bootstrap.dataPlane ?? true,
    ...overrides,
  });
  const { platform } = running;
  try {
    await ensureAdmin(running, bootstrap);
    if (bootstrap.auth && !(await isGuarded(platform))) fail('admin-needed', {});
    if (!isLoopback(settings.host) && !(await isGuarded(platform))) fail('users-needed', { host: settings.host });
    const app = buildServer({
      platform,
      routes: [
        ...composition!.routes,
        ...serverRoutes(
          () => running,
          () => url,
        ),
      ],
      dialectOf,
      access: accessOf(platform),
      readiness: async () => ({
        database: await answers(running),
        ...(settings.blobsUrl === '' ? {} : { blobs: (await platform.blobs.findTrouble()) ?? true }),
      }),
    });
    try {
      await app.listen({ host: settings.host, port: settings.port });
    } catch (error) {
      if ((error as { code?: string }).code === 'EADDRINUSE') fail('port-in-use', { port: settings.port });
      throw error;
    }
    const { port } = app.server.address() as { port: number };
    const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host;
    url = `http://${host}:${port}`;
    running.replicas.announce(url);
    // What was released is what is served, whatever happened between the one and the other before.
    void publishPlan(makeCtx(platform, { actor: systemActor, workspace: '' })).catch((error: unknown) =>
      platform.log.warn({ event: 'serving.plan.not-published', error }),
    );
    const stopWatching = watchReleases(platform);
    return {
      ...running,
      app,
      url,
      close: async (options) => {
        await stopWatching();
        await app.close();
        await writeDenials(platform);
        await running.close(options);
      },
    };
  } catch (error) {
    await running.close();
    throw error;
  }
}

function passwordIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    return fail('password-unreadable', { file, why: (error as Error).message });
  }
}

async function ensureAdmin(running: RunningPlatform, { adminUser, adminPasswordFile }: Bootstrap): Promise<void> {
  if (!adminUser || !adminPasswordFile || (await hasUsers(running.platform.database.reader))) return;
  const password = passwordIn(adminPasswordFile);
  if (password.length < 12) fail('password-too-short', { file: adminPasswordFile });
  await createUser(makeCtx(running.platform, { actor: systemActor, workspace: 'default' }), { name: adminUser, password, role: 'admin' });
}

// Whoever asks decides by it where requests go, so a database that only keeps silent counts as away soon.
const READY_MS = 2000;

const answers = (running: RunningPlatform): Promise<boolean> =>
  Promise.race([
    newestEventOf(running.platform.database.reader).then(
      () => true,
      () => false,
    ),
    delay(READY_MS, false, { ref: false }),
  ]);
