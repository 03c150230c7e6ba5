import { settingsTable } from '../../src/kernel/config/settings.ts';
import { cell, code, markdownTable, note } from './markdown.ts';

const rows = Object.values(settingsTable);

/** docs/reference/settings.md */
export const settingsPage = (): string => `${note('src/kernel/config/settings.ts')}
# Settings

Settings are environment variables. A \`GYRE_*\` name that is not in this list is refused, so that a typo cannot be ignored.
\`gyre config show\` prints the values in force; secrets are shown as set or not set.

${markdownTable(
  ['setting', 'value', 'default', 'meaning'],
  rows.map((s) => [code(s.env), cell(s.expected), code(String(s.default)), cell(s.doc) + ('secret' in s ? ' (secret)' : '')]),
)}
`;

/** .env.example: every setting, commented out, with its default. */
export const envExample = (): string =>
  `# Generated from src/kernel/config/settings.ts by "npm run generate"; do not edit.\n\n${rows
    .map((s) => `# ${s.doc}\n# ${s.env}=${s.default === false ? '0' : s.default === true ? '1' : s.default}\n`)
    .join('\n')}`;
