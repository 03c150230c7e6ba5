// Records as the API shows them: moments as text, never a digest or a secret.
import type { Token } from '../model.ts';
import type { Binding } from '../store/identities.ts';
import type { ServiceAccount } from '../store/service-accounts.ts';
import type { SessionRow } from '../store/sessions.ts';

export const iso = (ms: number): string => new Date(ms).toISOString();
const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms));

export const tokenView = (t: Token) => ({
  id: t.id,
  name: t.name,
  prefix: t.prefix,
  owner: t.ownerId,
  role: t.role,
  scopes: t.scope.permissions ?? null,
  resources: t.scope.resources ?? null,
  createdAt: iso(t.createdMs),
  expiresAt: isoOrNull(t.expiresMs),
  revokedAt: isoOrNull(t.revokedMs),
  lastUsedAt: isoOrNull(t.lastUsedMs),
});

export const sessionView = (s: SessionRow, currentDigest: string | undefined) => ({
  id: s.id,
  method: s.method,
  agent: s.agent,
  createdAt: iso(s.created_ms),
  lastUsedAt: iso(s.seen_ms),
  expiresAt: iso(s.expires_ms),
  current: s.digest === currentDigest,
});

export const accountView = (a: ServiceAccount) => ({
  name: a.name,
  role: a.role,
  owner: a.owner,
  description: a.description,
  createdAt: iso(a.createdMs),
  disabledAt: isoOrNull(a.disabledMs),
});

export const bindingView = (b: Binding) => ({
  id: b.id,
  issuer: b.issuer,
  subject: b.subject,
  claims: b.claims,
  createdAt: iso(b.createdMs),
});
