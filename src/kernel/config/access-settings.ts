// Settings of who may do what.
import { oneOf, setting } from './setting.ts';

export const accessSettings = {
  defaultPermission: setting<'NO_PERMISSIONS' | 'READ' | 'USE' | 'EDIT' | 'MANAGE'>({
    env: 'GYRE_DEFAULT_PERMISSION',
    expected: 'NO_PERMISSIONS, READ, USE, EDIT or MANAGE',
    default: 'READ',
    doc: 'What a user with the role `member` may do with experiments, models, endpoints and datasets that nobody granted to it. Whoever creates one has MANAGE for it.',
    parse: oneOf('NO_PERMISSIONS', 'READ', 'USE', 'EDIT', 'MANAGE'),
  }),
} as const;
