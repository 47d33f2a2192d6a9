export * from './feed-types.js';
