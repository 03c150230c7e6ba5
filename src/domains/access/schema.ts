import Type from 'typebox';
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
export const CreateToken = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 200 }),
  role,
  expiresAt: Type.Optional(Type.String({ format: 'date-time' })),
});
export const TokenView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  role: Type.String(),
  createdAt: Type.String({ format: 'date-time' }),
  expiresAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
  revokedAt: Type.Union([Type.String({ format: 'date-time' }), Type.Null()]),
});
export const TokenCreated = Type.Object({ token: TokenView, secret: Type.String({ description: 'Shown this once' }) });
export const TokenList = Type.Object({ items: Type.Array(TokenView) });

export const CreateWorkspace = Type.Object({ name: Type.String({ pattern: '^[a-z][a-z0-9-]{0,62}$' }) });
export const WorkspaceList = Type.Object({ items: Type.Array(Type.Object({ name: Type.String() })) });
export const Whoami = Type.Object({ kind: Type.String(), id: Type.String(), roles: Type.Array(Type.String()), workspace: Type.String() });
