/**
 * Prints the user's signals as they come, those that came while it was away first. A signal is acknowledged when the next one is asked for,
 * so that none is lost where printing fails.
 *
 *   CANDLECAST_TOKEN=cck_… node examples/signals.mjs [server] [device]
 */
import { Client } from 'candlecast/client';

const [url = 'http://127.0.0.1:8080', device = 'printer'] = process.argv.slice(2);
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort());

// An API key works until it is revoked; for access tokens give a function that gets a fresh one.
const client = new Client({ url, token: process.env.CANDLECAST_TOKEN ?? '' });
client.onState(({ kind, reason = '' }) => console.error(kind, reason));

for await (const item of client.signals({ device, signal: stop.signal })) {
  if (item.type === 'signal') console.log(JSON.stringify(item));
}
