/** A server process to be killed: `database-server.ts DATA_DIR` starts the embedded database and prints where it is. */
import { silentLog } from '../../src/kit/log.js';
import { startEmbeddedDatabase } from '../../src/store/embedded/start.js';

const { url, pid } = await startEmbeddedDatabase({ dataDir: process.argv[2] ?? '', log: silentLog });
process.stdout.write(`${JSON.stringify({ url, pid })}\n`);
