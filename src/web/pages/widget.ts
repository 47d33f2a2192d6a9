import { Widget, type WidgetApi } from '../widget.js';

declare global {
  interface Window {
    /** For tests and the curious. */
    candlecastWidget: WidgetApi;
  }
}

const widget = new Widget(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/stream`);
window.candlecastWidget = widget.api();
widget.start();
