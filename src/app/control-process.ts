// Entry of the control process, started by the supervisor.
import { processSettings } from '../kernel/config/settings.ts';
import { runChild } from './child.ts';
import { startControl } from './control.ts';
import { collectAtRest } from './rest.ts';

const {
  BOOTSTRAP_ADMIN_USER: adminUser,
  BOOTSTRAP_ADMIN_PASSWORD_FILE: adminPasswordFile,
  BOOTSTRAP_AUTH: auth,
  BOOTSTRAP_DATA_PLANE: dataPlane,
} = process.env;

await runChild(() =>
  startControl(processSettings(), {
    ...(adminUser && adminPasswordFile ? { adminUser, adminPasswordFile } : {}),
    ...(auth === 'basic' ? { auth } : {}),
    dataPlane: dataPlane !== '0',
  }),
);
collectAtRest();
