import type { Table } from '../../../kernel/db/tables.ts';

export const accessTables: readonly Table[] = [
  { name: 'workspaces', columns: { id: 'id', created_ms: 'int', description: 'text?' }, primary: ['id'] },
  // People are the server's; what they may do is granted per workspace.
  {
    name: 'users',
    columns: { id: 'id', name: 'text', password_hash: 'text', created_ms: 'int', levels_version: 'int' },
    primary: ['id'],
    unique: [['name']],
  },
  {
    name: 'grants',
    // What was given directly, where a role of the workspace gives more.
    columns: { workspace_id: 'id', user_id: 'id', role: 'text', direct_role: 'text?' },
    primary: ['workspace_id', 'user_id'],
    oneOf: { role: ['admin', 'editor', 'member', 'viewer', 'service'] },
  },
  {
    name: 'resource_grants',
    columns: { workspace_id: 'id', user_id: 'id', kind: 'text', resource_id: 'text', level: 'text' },
    primary: ['workspace_id', 'user_id', 'kind', 'resource_id'],
    indexes: [['workspace_id', 'kind', 'resource_id']],
  },
  // Roles that a workspace defines for itself; MLflow's client knows them by numbers.
  {
    name: 'access_roles',
    columns: { workspace_id: 'id', id: 'int', name: 'text', description: 'text?' },
    primary: ['workspace_id', 'id'],
    unique: [['id'], ['workspace_id', 'name']],
  },
  {
    name: 'access_role_grants',
    columns: { workspace_id: 'id', id: 'int', role_id: 'int', kind: 'text', resource_id: 'text', level: 'text' },
    primary: ['workspace_id', 'id'],
    unique: [['id'], ['workspace_id', 'role_id', 'kind', 'resource_id']],
  },
  {
    name: 'access_role_members',
    columns: { workspace_id: 'id', role_id: 'int', user_id: 'id', id: 'int' },
    primary: ['workspace_id', 'role_id', 'user_id'],
    indexes: [['user_id']],
  },
  {
    name: 'tokens',
    columns: {
      workspace_id: 'id',
      id: 'id',
      name: 'text',
      owner_id: 'id',
      digest: 'text',
      role: 'text',
      scope: 'json',
      expires_ms: 'int?',
      revoked_ms: 'int?',
      created_ms: 'int',
      // Its first letters, so that a list can be compared with what is in use somewhere.
      prefix: 'text',
      last_used_ms: 'int?',
    },
    primary: ['workspace_id', 'id'],
    unique: [['digest']],
    indexes: [['owner_id']],
  },
  // Roles that the provider's groups gave at the last login, apart from those granted here.
  {
    name: 'mapped_grants',
    columns: { workspace_id: 'id', user_id: 'id', role: 'text' },
    primary: ['workspace_id', 'user_id'],
    indexes: [['user_id']],
    oneOf: { role: ['admin', 'editor', 'member', 'viewer', 'service'] },
  },
  // People and programs as issuers know them. Users are the server's, so these are too.
  {
    name: 'identities',
    columns: { issuer: 'text', subject: 'text', user_id: 'id', created_ms: 'int', seen_ms: 'int' },
    primary: ['issuer', 'subject'],
    indexes: [['user_id']],
  },
  {
    name: 'service_accounts',
    columns: { user_id: 'id', owner: 'text', description: 'text', disabled_ms: 'int?' },
    primary: ['user_id'],
  },
  {
    name: 'account_bindings',
    columns: { id: 'id', user_id: 'id', workspace_id: 'id', issuer: 'text', subject: 'text', claims: 'json', created_ms: 'int' },
    primary: ['id'],
    indexes: [['issuer'], ['user_id']],
  },
  {
    name: 'sessions',
    columns: {
      id: 'id',
      user_id: 'id',
      workspace_id: 'id',
      digest: 'text',
      method: 'text',
      agent: 'text',
      issuer: 'text?',
      subject: 'text?',
      provider_session: 'text?',
      created_ms: 'int',
      seen_ms: 'int',
      expires_ms: 'int',
    },
    primary: ['id'],
    unique: [['digest']],
    indexes: [['user_id'], ['expires_ms']],
    oneOf: { method: ['password', 'oidc'] },
  },
  {
    name: 'login_failures',
    columns: { key: 'text', failures: 'int', last_ms: 'int', until_ms: 'int' },
    primary: ['key'],
    indexes: [['last_ms']],
  },
  {
    name: 'device_logins',
    columns: {
      device_digest: 'text',
      user_code: 'text',
      name: 'text',
      workspace_id: 'id',
      user_name: 'text?',
      denied_ms: 'int?',
      expires_ms: 'int',
      place: 'text',
    },
    primary: ['device_digest'],
    unique: [['user_code']],
    indexes: [['expires_ms'], ['place']],
  },
];
