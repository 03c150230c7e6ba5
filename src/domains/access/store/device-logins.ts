import type { Db } from '../../../kernel/db/database.ts';

export interface DeviceRow {
  device_digest: string;
  user_code: string;
  name: string;
  workspace_id: string;
  user_name: string | null;
  denied_ms: number | null;
  expires_ms: number;
  /** A digest of the network that it was begun from. */
  place: string;
}

const devicesIn = (db: Db) => db.withTables<{ device_logins: DeviceRow }>();

export const insertDevice = (db: Db, row: DeviceRow) => devicesIn(db).insertInto('device_logins').values(row).execute();

export const findDevice = (db: Db, by: { digest: string } | { code: string }): Promise<DeviceRow | undefined> => {
  const all = devicesIn(db).selectFrom('device_logins').selectAll();
  return ('digest' in by ? all.where('device_digest', '=', by.digest) : all.where('user_code', '=', by.code)).executeTakeFirst();
};

/** Notes the answer of a person, once; whether it was the first. */
export async function answerDevice(
  db: Db,
  code: string,
  answer: { userName: string; workspace: string } | { deniedMs: number },
  nowMs: number,
): Promise<boolean> {
  const { numUpdatedRows } = await devicesIn(db)
    .updateTable('device_logins')
    .set('deniedMs' in answer ? { denied_ms: answer.deniedMs } : { user_name: answer.userName, workspace_id: answer.workspace })
    .where('user_code', '=', code)
    .where('user_name', 'is', null)
    .where('denied_ms', 'is', null)
    .where('expires_ms', '>', nowMs)
    .executeTakeFirst();
  return Number(numUpdatedRows) === 1;
}

export async function deleteDevice(db: Db, digest: string): Promise<boolean> {
  const { numDeletedRows } = await devicesIn(db).deleteFrom('device_logins').where('device_digest', '=', digest).executeTakeFirst();
  return Number(numDeletedRows) === 1;
}

export const deleteDevicesBefore = (db: Db, ms: number) =>
  devicesIn(db).deleteFrom('device_logins').where('expires_ms', '<=', ms).execute();

export async function countDevices(db: Db, place?: string): Promise<number> {
  const all = devicesIn(db)
    .selectFrom('device_logins')
    .select((eb) => eb.fn.countAll<number>().as('n'));
  const row = await (place === undefined ? all : all.where('place', '=', place)).executeTakeFirst();
  return Number(row?.n ?? 0);
}
