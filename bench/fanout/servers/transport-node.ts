/** Our transport on node alone, without the gateway above it. */
import { serveTransport } from './transport.js';

await serveTransport('node');
