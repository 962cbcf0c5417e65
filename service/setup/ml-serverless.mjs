#!/usr/bin/env node
// The program `ml-serverless`, for npx and npm link: the command line, after set-up.
process.argv.splice(2, 0, 'cli');
await import('./bootstrap.mjs');
