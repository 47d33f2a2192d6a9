import type { ChartView } from './chart.js';

const STEP_BARS = 10;
const ZOOM_FACTOR = 0.8;

/** The chart by keyboard: arrows scroll, plus and minus zoom, End goes to the newest candle. */
export function bindChartKeys(canvas: HTMLElement, chart: ChartView): void {
  const actions: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => chart.scrollBy(-STEP_BARS),
    ArrowRight: () => chart.scrollBy(STEP_BARS),
    PageUp: () => chart.scrollBy(-STEP_BARS * 10),
    PageDown: () => chart.scrollBy(STEP_BARS * 10),
    '+': () => chart.zoom(ZOOM_FACTOR),
    '=': () => chart.zoom(ZOOM_FACTOR),
    '-': () => chart.zoom(1 / ZOOM_FACTOR),
    End: () => chart.toLatest(),
  };
  canvas.tabIndex = 0;
  canvas.addEventListener('keydown', (event) => {
    const action = actions[event.key];
    if (action === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
}
