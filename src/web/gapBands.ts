import type {
  IChartApi,
  IPanePrimitive,
  IPanePrimitivePaneView,
  IPrimitivePaneRenderer,
  Logical,
} from 'lightweight-charts';

type Target = Parameters<IPrimitivePaneRenderer['draw']>[0];

/** A stretch of the time scale, by index of its first and last place. */
export interface Band {
  readonly first: number;
  readonly last: number;
  readonly label: string;
}

const STRIPE_PX = 7;
const LABEL_PADDING_PX = 10;

/** Hatched bands behind the candles, where the feed was away. */
export class GapBands implements IPanePrimitive {
  readonly #chart: IChartApi;
  readonly #views: readonly IPanePrimitivePaneView[];
  #bands: readonly Band[] = [];
  #color = '#888888';
  #font = '11px sans-serif';

  constructor(chart: IChartApi) {
    this.#chart = chart;
    const renderer = { draw: () => {}, drawBackground: (target: Target) => this.#draw(target) };
    this.#views = [{ zOrder: () => 'bottom', renderer: () => renderer }];
  }

  paneViews(): readonly IPanePrimitivePaneView[] {
    return this.#views;
  }

  set(bands: readonly Band[]): void {
    this.#bands = bands;
  }

  style(color: string, font: string): void {
    this.#color = color;
    this.#font = font;
  }

  #draw(target: Target): void {
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      for (const band of this.#bands) this.#drawBand(context, band, mediaSize.width, mediaSize.height);
    });
  }

  #drawBand(context: CanvasRenderingContext2D, band: Band, width: number, height: number): void {
    const scale = this.#chart.timeScale();
    const half = scale.options().barSpacing / 2;
    const start = scale.logicalToCoordinate(band.first as Logical);
    const end = scale.logicalToCoordinate(band.last as Logical);
    if (start === null || end === null || end + half < 0 || start - half > width) return;
    const left = Math.max(0, start - half);
    const right = Math.min(width, end + half);
    context.save();
    context.beginPath();
    context.rect(left, 0, right - left, height);
    context.clip();
    hatch(context, left, right, height, this.#color);
    label(context, band.label, left, right, this.#color, this.#font);
    context.restore();
  }
}

function hatch(context: CanvasRenderingContext2D, left: number, right: number, height: number, color: string): void {
  context.fillStyle = color;
  context.globalAlpha = 0.06;
  context.fillRect(left, 0, right - left, height);
  context.globalAlpha = 0.16;
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = left - height - (left % STRIPE_PX); x < right; x += STRIPE_PX) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
}

function label(
  context: CanvasRenderingContext2D,
  text: string,
  left: number,
  right: number,
  color: string,
  font: string,
): void {
  context.font = font;
  const width = context.measureText(text).width;
  if (width + LABEL_PADDING_PX * 2 > right - left) return;
  context.globalAlpha = 1;
  context.fillStyle = color;
  context.textAlign = 'center';
  context.fillText(text, (left + right) / 2, 96);
}
