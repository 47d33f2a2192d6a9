import { serveMeasured } from './measured.js';

await serveMeasured(process.argv[2] ?? null);
