import { openApiDocument, type Operation } from './openapi.ts';
import { cell, code, markdownTable, note } from './markdown.ts';

/** docs/reference/api.md: every route with what it asks for and what it may refuse. */
export function apiPage(): string {
  const groups = new Map<string, [string, string, Operation][]>();
  for (const [path, methods] of Object.entries(openApiDocument().paths))
    for (const [method, operation] of Object.entries(methods as unknown as Record<string, Operation>)) {
      const tag = operation.tags[0]!;
      groups.set(tag, [...(groups.get(tag) ?? []), [method, path, operation]]);
    }
  const sections = [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([tag, routes]) => `## ${tag}\n\n${table(routes)}\n`);
  return `${note('the routes')}
# HTTP API

\`openapi.json\` in the repository (and in the package) has every schema. Lists answer \`{ items, nextCursor }\`; pass the cursor
back as \`?cursor=\`. Creates honour \`Idempotency-Key\` where it says so. Problems are \`application/problem+json\` with a \`code\`
from [the list of errors](./errors.md); besides those named here any route may answer \`invalid-input\`, \`unauthenticated\`
and \`forbidden\`.

${sections.join('\n')}`;
}

const table = (routes: readonly [string, string, Operation][]): string =>
  markdownTable(
    ['route', 'does', 'permission', 'problems'],
    routes.map(([method, path, operation]) => [
      code(`${method.toUpperCase()} ${path}`),
      cell(operation.summary) + (operation.parameters?.some((p) => p.name === 'Idempotency-Key') ? ' (idempotent)' : ''),
      code(operation['x-permission'] ?? 'public'),
      (operation['x-problems'] ?? []).map((problem) => `[${problem}](./errors.md#${problem})`).join(', '),
    ]),
  );
