#!/usr/bin/env node
import { buildProgram, withImplied } from './app/cli/program.js';

await buildProgram().parseAsync(withImplied(process.argv.slice(2)), { from: 'user' });
