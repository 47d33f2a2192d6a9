/** Our transport on uws alone, without the gateway above it. */
import { serveTransport } from './transport.js';

await serveTransport('uws');
