// When a token was used last, written once a minute at most; its first use is an event.
import { makeCtx, type Platform } from '../../../kernel/ctx.ts';
import type { Token } from '../model.ts';
import * as store from '../store.ts';

const COARSE_MS = 60_000;

export async function noteUse(platform: Platform, token: Token): Promise<void> {
  const now = platform.clock.now();
  if (token.lastUsedMs !== null && now - token.lastUsedMs < COARSE_MS) return;
  const ctx = makeCtx(platform, { actor: { kind: 'service', id: token.ownerId, roles: [] }, workspace: token.workspace });
  try {
    await ctx.tx(async (tx) => {
      const first = await store.markTokenUsed(tx.db, token.workspace, token.id, now, now - COARSE_MS);
      if (first) await tx.emit({ type: 'token.used', subject: { kind: 'token', id: token.id } });
    });
  } catch (error) {
    // Whoever only reads must not fail because nothing can be written now.
    platform.log.warn({ event: 'token.use.not-noted', token: token.id, error });
  }
}
