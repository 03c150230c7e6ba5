// The committed dump of each database's schema, so that a change of the schema is seen in review.
import { join } from 'node:path';
import { postgresDialect, sqliteDialect } from '../../kernel/db/dialect.ts';
import { dumpSchema } from '../../kernel/db/migrate.ts';
import { migrations } from './migrations.ts';

/** The files and what belongs in them. */
export const schemaDumps = (): { path: string; text: string }[] =>
  [sqliteDialect, postgresDialect].map((dialect) => ({
    path: join(import.meta.dirname, `schema.${dialect.name}.sql`),
    text: dumpSchema(migrations, { dialect }),
  }));
