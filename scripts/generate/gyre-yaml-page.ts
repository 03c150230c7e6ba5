import { ProjectFile } from '../../src/domains/projects/schema.ts';
import { cell, code, markdownTable, note } from './markdown.ts';

// The part of JSON Schema that the project file uses.
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

/** gyre.schema.json, for editors. */
export const projectFileSchema = (): string =>
  `${JSON.stringify({ $schema: 'https://json-schema.org/draft/2020-12/schema', ...ProjectFile }, null, 2)}\n`;

/** docs/reference/gyre-yaml.md: a table for each object of the file. */
export function gyreYamlPage(): string {
  const sections: string[] = [];
  describe('', ProjectFile as unknown as Schema, sections);
  return `${note('src/domains/projects/schema.ts')}
# gyre.yaml

Unknown keys are refused, and every fault is named by file, line and key. \`gyre.schema.json\` makes editors complete the
file: put \`# yaml-language-server: $schema=node_modules/gyre-mlops/gyre.schema.json\` in its first line. Where a path says
\`NAME\`, the name is yours. A bold key is required.

${sections.join('\n')}`;
}

function describe(path: string, schema: Schema, sections: string[]): void {
  for (const option of schema.anyOf ?? []) describe(path, option, sections);
  if (schema.items) describe(`${path}[]`, schema.items, sections);
  for (const member of Object.values(schema.patternProperties ?? {})) describe(`${path}.NAME`, member, sections);
  if (!schema.properties) return;
  const keys = Object.entries(schema.properties);
  // The kinds of step differ by their first key.
  const kind = /steps\.NAME$/.test(path) ? ` (${keys[0]![0]})` : '';
  sections.push(
    `## ${path === '' ? 'The file' : `${path.slice(1)}${kind}`}\n\n${markdownTable(
      ['key', 'value', 'meaning'],
      keys.map(([key, value]) => [
        schema.required?.includes(key) ? `**${code(key)}**` : code(key),
        cell(typeOf(value)),
        cell(value.description ?? ''),
      ]),
    )}\n`,
  );
  for (const [key, value] of keys) describe(`${path}.${key}`, value, sections);
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' or ');
  if (schema.anyOf) return [...new Set(schema.anyOf.map(typeOf))].join(' or ');
  if (schema.items) return `list of ${typeOf(schema.items)}`;
  if (schema.patternProperties) return `map of ${Object.values(schema.patternProperties).map(typeOf).join(', ')}`;
  return schema.type ?? 'anything';
}
