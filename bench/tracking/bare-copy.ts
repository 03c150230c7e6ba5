// The limit for artifacts: node:http that copies to a file and hashes, makes it durable, and sends it back.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const [folder = '.'] = process.argv.slice(2);

const server = createServer((request, response) => {
  const file = join(folder, 'large.bin');
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-length': statSync(file).size });
    return void createReadStream(file, { highWaterMark: 1024 ** 2 }).pipe(response);
  }
  const hash = createHash('sha256');
  const out = createWriteStream(file, { flush: true });
  request.on('data', (bytes: Buffer) => hash.update(bytes));
  request.pipe(out).once('close', () => response.end(hash.digest('hex')));
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as { port: number }).port));
process.on('disconnect', () => process.exit(0));
