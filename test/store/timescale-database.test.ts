import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import { Database } from '../../src/store/timescale/database.js';
import { realPostgres, type TestDatabase } from '../support/database.js';

const COMMAND_COMPLETE = 'C'.charCodeAt(0);

let server: TestDatabase;
let proxy: Server;
let cutting = false;

beforeAll(async () => {
  server = await realPostgres();
  proxy = createServer((client) => relay(client));
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
});
afterAll(async () => {
  proxy.close();
  await server.stop();
});

/** Passes everything on; while `cutting`, an answer ends before its CommandComplete, and the connection with it. */
function relay(client: Socket): void {
  const upstream = connect(join(server.dataDir, '.s.PGSQL.5432'));
  client.pipe(upstream);
  client.on('error', () => undefined).on('close', () => upstream.destroy());
  upstream.on('error', () => undefined).on('close', () => client.destroy());
  upstream.on('data', (chunk) => {
    const end = cutting ? commandComplete(chunk) : -1;
    if (end < 0) client.write(chunk);
    else {
      cutting = false;
      client.end(chunk.subarray(0, end));
    }
  });
}

/** Where the first CommandComplete of whole messages begins; -1 when there is none. */
function commandComplete(chunk: Buffer): number {
  for (let at = 0; at + 5 <= chunk.length; at += 1 + chunk.readInt32BE(at + 1))
    if (chunk[at] === COMMAND_COMPLETE) return at;
  return -1;
}

test('an answer that was cut off leaves nothing behind in the next one', async () => {
  const { port } = proxy.address() as AddressInfo;
  const database = new Database({ url: `postgres://postgres@127.0.0.1:${port}/postgres`, clock: systemClock });
  const ask = (n: number) => database.run((sql) => sql.unsafe(`SELECT ${n} AS n`));
  expect([...(await ask(1))]).toEqual([{ n: 1 }]);
  cutting = true;
  await expect(ask(2)).rejects.toThrow(/closed|reset/i);
  expect(cutting).toBe(false);
  expect([...(await ask(3))]).toEqual([{ n: 3 }]);
  await database.close();
});
