// The script that other pages load: <script src="https://server/embed.js" async></script> and <candlecast-chart symbol="BTCUSDT">.
import { define } from '../element.js';

define();
