// Every file that is generated and committed, with what belongs in it.
import { relative } from 'node:path';
import { schemaDumps } from '../../src/app/migrations/schema-dumps.ts';
import { apiPage } from './api-page.ts';
import { cliPage } from './cli-page.ts';
import { errorsPage } from './errors-page.ts';
import { gyreYamlPage, projectFileSchema } from './gyre-yaml-page.ts';
import { openApiDocument } from './openapi.ts';
import { permissionsPage } from './permissions-page.ts';
import { envExample, settingsPage } from './settings-page.ts';

const repository = `${import.meta.dirname}/../..`;

/** Paths relative to the repository. */
export const generatedFiles = async (): Promise<{ path: string; text: string }[]> => [
  { path: 'openapi.json', text: `${JSON.stringify(openApiDocument(), null, 1)}\n` },
  { path: 'gyre.schema.json', text: projectFileSchema() },
  { path: '.env.example', text: envExample() },
  { path: 'docs/reference/api.md', text: apiPage() },
  { path: 'docs/reference/cli.md', text: cliPage() },
  { path: 'docs/reference/errors.md', text: await errorsPage() },
  { path: 'docs/reference/gyre-yaml.md', text: gyreYamlPage() },
  { path: 'docs/reference/permissions.md', text: permissionsPage() },
  { path: 'docs/reference/settings.md', text: settingsPage() },
  ...schemaDumps().map(({ path, text }) => ({ path: relative(repository, path), text })),
];
