// npm start: installs and builds what is missing, then runs the server in this process.
import { ensureBuild, ensureDependencies } from './setup.mjs';

await ensureDependencies();
await ensureBuild();
await import('../dist/main.js');
