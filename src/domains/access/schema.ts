import Type from '../../kernel/http/json-schema.ts';
import { grantableRoles } from './model.ts';

const role = Type.Enum([...grantableRoles], { description: 'What the holder may do' });
const userName = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._@-]{0,126}$', description: 'User name' });

export const UserParams = Type.Object({ name: userName });
export const CreateUser = Type.Object({
  name: userName,
  password: Type.String({ minLength: 12, maxLength: 1000, description: 'At least 12 characters' }),
  role,
});
export const UserView = Type.Object({ name: Type.String(), role, createdAt: Type.String({ format: 'date-time' }) });
export const UserList = Type.Object({ items: Type.Array(UserView) });
export const PatchUser = Type.Object({ role });

export const TokenParams = Type.Object({ id: Type.String({ maxLength: 100 }) });
const moment = Type.String({ format: 'date-time' });
const momentOrNull = Type.Union([moment, Type.Null()]);
const narrowing = {
  scopes: Type.Optional(
    Type.Array(Type.String({ maxLength: 100 }), {
      minItems: 1,
      maxItems: 50,
      description: 'Permissions it is narrowed to, such as "tracking:write"',
    }),
  ),
  resources: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 300 }), {
      minItems: 1,
      maxItems: 100,
      description:
        'Resources it is narrowed to: "experiment:ID", "model:NAME", "endpoint:NAME", "dataset:PROJECT/DATASET"; * stands for each of the kind',
    }),
  ),
  expiresAt: Type.Optional(Type.Union([moment, Type.Null()], { description: 'Without it: GYRE_TOKEN_DEFAULT_DAYS; null: never' })),
};
const tokenName = Type.String({ minLength: 1, maxLength: 200 });
export const CreateToken = Type.Object({ name: tokenName, role, ...narrowing });
export const CreateOwnToken = Type.Object({ name: tokenName, role: Type.Optional(role), ...narrowing });
export const RotateToken = Type.Object({
  graceS: Type.Optional(Type.Integer({ minimum: 0, maximum: 604_800, description: 'For so many seconds the old secret works too' })),
});
export const TokenView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  prefix: Type.String({ description: 'The first letters of its secret' }),
  owner: Type.String(),
  role: Type.String(),
  scopes: Type.Union([Type.Array(Type.String()), Type.Null()]),
  resources: Type.Union([Type.Array(Type.String()), Type.Null()]),
  createdAt: moment,
  expiresAt: momentOrNull,
  revokedAt: momentOrNull,
  lastUsedAt: Type.Union([moment, Type.Null()], { description: 'To the minute' }),
});
export const TokenCreated = Type.Object({ token: TokenView, secret: Type.String({ description: 'Shown this once' }) });
export const TokenList = Type.Object({ items: Type.Array(TokenView) });

export const CreateWorkspace = Type.Object({ name: Type.String({ pattern: '^[a-z][a-z0-9-]{0,62}$' }) });
export const WorkspaceList = Type.Object({ items: Type.Array(Type.Object({ name: Type.String() })) });
export const Whoami = Type.Object({ kind: Type.String(), id: Type.String(), roles: Type.Array(Type.String()), workspace: Type.String() });

const password = Type.String({ minLength: 12, maxLength: 1000, description: 'At least 12 characters' });
export const LogIn = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 127 }),
  password: Type.String({ minLength: 1, maxLength: 1000 }),
});
export const SessionStarted = Type.Object({
  user: Type.String(),
  workspace: Type.String(),
  csrf: Type.String({ description: 'To be sent as X-Gyre-CSRF with changes, by programs that are no browser' }),
  expiresAt: moment,
});
export const SessionView = Type.Object({
  id: Type.String(),
  method: Type.String(),
  agent: Type.String({ description: 'What the browser calls itself' }),
  createdAt: moment,
  lastUsedAt: moment,
  expiresAt: moment,
  current: Type.Boolean({ description: 'Whether it is the one that asks' }),
});
export const SessionList = Type.Object({ items: Type.Array(SessionView) });
export const IdParams = Type.Object({ id: Type.String({ maxLength: 100 }) });
export const ChangePassword = Type.Object({ current: Type.String({ maxLength: 1000 }), password });
export const SetPassword = Type.Object({ password });
export const LinkIdentity = Type.Object({
  issuer: Type.String({ minLength: 1, maxLength: 500 }),
  subject: Type.String({ minLength: 1, maxLength: 300 }),
});

export const BeginDeviceLogin = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 200, description: 'What the program calls itself' }),
});
export const DeviceLoginView = Type.Object({
  deviceCode: Type.String(),
  userCode: Type.String(),
  verificationUrl: Type.String(),
  verificationUrlComplete: Type.String(),
  expiresInS: Type.Integer(),
  intervalS: Type.Integer(),
});
export const ClaimDeviceLogin = Type.Object({ deviceCode: Type.String({ minLength: 1, maxLength: 100 }) });
export const DeviceToken = Type.Object({ user: Type.String(), workspace: Type.String(), token: TokenView, secret: Type.String() });
export const Waiting = Type.Object({ state: Type.Literal('waiting') });

const description = Type.String({ maxLength: 1000 });
export const CreateServiceAccount = Type.Object({
  name: userName,
  role,
  owner: Type.Optional(Type.String({ maxLength: 127, description: 'The user who answers for it; whoever makes it, if none is named' })),
  description: Type.Optional(description),
});
export const PatchServiceAccount = Type.Object({
  role: Type.Optional(role),
  owner: Type.Optional(Type.String({ maxLength: 127 })),
  description: Type.Optional(description),
  disabled: Type.Optional(Type.Boolean()),
});
export const ServiceAccountView = Type.Object({
  name: Type.String(),
  role,
  owner: Type.String(),
  description: Type.String(),
  createdAt: moment,
  disabledAt: momentOrNull,
});
export const ServiceAccountList = Type.Object({ items: Type.Array(ServiceAccountView) });
const claims = Type.Record(Type.String({ maxLength: 200 }), Type.String({ maxLength: 500 }), { maxProperties: 20 });
export const CreateBinding = Type.Object({
  issuer: Type.String({
    minLength: 1,
    maxLength: 500,
    description: 'As the token names it, "https://token.actions.githubusercontent.com" for example',
  }),
  subject: Type.String({ minLength: 1, maxLength: 300, description: 'The claim "sub"; "*" stands for any letters' }),
  claims: Type.Optional(claims),
});
export const BindingView = Type.Object({ id: Type.String(), issuer: Type.String(), subject: Type.String(), claims, createdAt: moment });
export const BindingList = Type.Object({ items: Type.Array(BindingView) });
export const BindingParams = Type.Object({ name: userName, id: Type.String({ maxLength: 100 }) });
