// The least that a server can do which keeps what it acknowledges: a request, one row, one commit to the disk.
import { createServer } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const file = new DatabaseSync(join(process.argv[2]!, 'bare.db'));
file.exec(`pragma journal_mode = wal; pragma synchronous = full;
  create table points (run text, key text, step int, value real, primary key (run, key, step)) without rowid`);
const insert = file.prepare('insert or replace into points values (?, ?, ?, ?)');

const server = createServer((request, reply) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const point = JSON.parse(Buffer.concat(chunks).toString()) as { run_id: string; key: string; step: number; value: number };
    insert.run(point.run_id, point.key, point.step, point.value);
    reply.writeHead(200, { 'content-type': 'application/json', 'content-length': 2 }).end('{}');
  });
});
server.listen(0, '127.0.0.1', () => process.send!((server.address() as { port: number }).port));
