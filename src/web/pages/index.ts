import { App, type PageApi } from '../app.js';
import { applyTheme } from '../theme.js';

declare global {
  interface Window {
    /** For tests and the curious. */
    candlecast: PageApi;
  }
}

applyTheme();
const app = new App(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/stream`);
window.candlecast = app.api();
app.start();
