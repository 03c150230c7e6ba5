// Service accounts: users without a password, for programs. They belong to the workspace that made them.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { fail } from '../errors.ts';
import type { GrantableRole } from '../model.ts';
import { grantRole, removeUser } from '../service.ts';
import * as store from '../store.ts';
import * as accounts from '../store/service-accounts.ts';

/** Raises `service-account-not-found`. */
export const getServiceAccount = async (ctx: Ctx, name: string): Promise<accounts.ServiceAccount> =>
  (await accounts.findServiceAccount(ctx.db, ctx.workspace, name)) ?? fail('service-account-not-found', { name });

export interface NewServiceAccount {
  readonly name: string;
  readonly role: GrantableRole;
  readonly owner?: string;
  readonly description?: string;
}

/** Raises `user-exists`, `user-not-found` (the owner), `first-user-not-admin`. */
export const createServiceAccount = (ctx: Ctx, input: NewServiceAccount): Promise<accounts.ServiceAccount> =>
  ctx.tx(async (tx) => {
    // From the first user on everybody has to log in, and this one cannot.
    if (!(await store.hasUsers(tx.db))) return fail('first-user-not-admin', { name: input.name });
    if (await store.findUser(tx.db, input.name)) return fail('user-exists', { name: input.name });
    const owner = input.owner ?? tx.actor.id;
    if (!(await store.findUser(tx.db, owner))) return fail('user-not-found', { name: owner });
    const user = { id: newId('usr', tx.ids), name: input.name, passwordHash: '', createdMs: tx.clock.now(), levelsVersion: 0 };
    await store.insertUser(tx.db, user);
    await store.setGrant(tx.db, { workspace: tx.workspace, userId: user.id, role: input.role });
    await accounts.insertServiceAccount(tx.db, user.id, owner, input.description ?? '');
    await tx.emit({
      type: 'service-account.created',
      subject: { kind: 'user', id: user.id },
      label: user.name,
      payload: { role: input.role },
    });
    return getServiceAccount(tx, input.name);
  });

export interface ServiceAccountChange {
  readonly role?: GrantableRole | undefined;
  readonly owner?: string | undefined;
  readonly description?: string | undefined;
  readonly disabled?: boolean | undefined;
}

/** Raises `service-account-not-found`, `user-not-found` (the owner), `last-admin`. */
export const changeServiceAccount = (ctx: Ctx, name: string, change: ServiceAccountChange): Promise<accounts.ServiceAccount> =>
  ctx.tx(async (tx) => {
    const account = await getServiceAccount(tx, name);
    const { role, owner, description, disabled } = change;
    if (owner !== undefined && !(await store.findUser(tx.db, owner))) return fail('user-not-found', { name: owner });
    if (role !== undefined && role !== account.role) await grantRole(tx, name, role);
    await accounts.updateServiceAccount(tx.db, account.id, {
      ...(owner === undefined ? {} : { owner }),
      ...(description === undefined ? {} : { description }),
      ...(disabled === undefined ? {} : { disabledMs: disabled ? (account.disabledMs ?? tx.clock.now()) : null }),
    });
    await tx.emit({
      type: 'service-account.changed',
      subject: { kind: 'user', id: account.id },
      payload: { changed: Object.keys(change).toSorted(), ...(disabled === undefined ? {} : { disabled }) },
    });
    return getServiceAccount(tx, name);
  });

/** Removes an account with its tokens and bindings. Raises `service-account-not-found`, `last-admin`. */
export const removeServiceAccount = (ctx: Ctx, name: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await getServiceAccount(tx, name);
    await removeUser(tx, name);
  });
