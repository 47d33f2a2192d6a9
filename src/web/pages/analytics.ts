import { type AnalyticsApi, AnalyticsPage } from '../analytics/page.js';
import { applyTheme } from '../theme.js';

declare global {
  interface Window {
    /** For tests and the curious. */
    candlecastAnalytics: AnalyticsApi;
  }
}

applyTheme();
const page = new AnalyticsPage();
window.candlecastAnalytics = page.api();
void page.start();
