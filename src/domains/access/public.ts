// What other rooms may use of access.
export { createToken, createUser, createWorkspace, deleteStepTokens, grantRole, removeUser, tokensFor } from './service.ts';
export { accessOf, isGuarded } from './service/identify.ts';
export { changeOwnPassword, setPassword } from './service/login.ts';
export { findUser, hasUsers, listUsers } from './store.ts';
export type { User } from './model.ts';
export {
  effectiveLevel,
  findLevel,
  forgetGrants,
  grantLevel,
  grantsOfUser,
  moveGrants,
  ownResource,
  revokeLevel,
  roleOf,
  seenUser,
  userNamed,
} from './levels/grants.ts';
export {
  addRoleGrant,
  assignRole,
  createRole,
  deleteRole,
  getRole,
  inWorkspace,
  listRoleMembers,
  listRoles,
  removeRoleGrant,
  requireAdmin,
  rolesOf,
  unassignRole,
  updateRole,
  updateRoleGrant,
  type FullRole,
} from './levels/roles.ts';
export type { Assignment, GrantedKind, GrantedLevel, RoleGrant } from './store/levels.ts';
export { deleteWorkspace, describeWorkspace, findWorkspace, listSeenWorkspaces, rolesIn, type Workspace } from './levels/workspaces.ts';
export { writeDenials } from './levels/denials.ts';
