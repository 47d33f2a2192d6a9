import { z } from 'zod';
import { RETRY_AFTER } from './answers.js';
import type { Answer, Operation, Section } from './operation.js';

const unchanged: Answer = { description: 'It is what you have (`If-None-Match`).' };
const document = (path: string, id: string, summary: string, version: z.ZodObject): Operation => ({
  method: 'GET',
  path,
  id,
  summary,
  access: 'everybody',
  answers: {
    200: { description: 'The document.', schema: version, headers: { ETag: 'For `If-None-Match`.' } },
    304: unchanged,
  },
});

export const operationSection: Section = {
  name: 'Operations',
  description: 'For whoever runs the server.',
  operations: [
    {
      method: 'GET',
      path: '/healthz',
      id: 'isAlive',
      summary: 'The process answers',
      access: 'everybody',
      answers: {
        200: {
          description: 'It does; `draining`: it stops, and is to get nobody new.',
          schema: z.strictObject({ status: z.enum(['ok', 'draining']) }),
          example: { status: 'ok' },
        },
      },
    },
    {
      method: 'GET',
      path: '/readyz',
      id: 'isReady',
      summary: 'It should get traffic',
      access: 'everybody',
      answers: {
        200: {
          description: 'It should.',
          schema: z.strictObject({ status: z.literal('ready') }),
          example: { status: 'ready' },
        },
        503: {
          description: 'It should not.',
          type: 'application/json',
          schema: z.strictObject({ status: z.literal('not ready'), reasons: z.array(z.string()).min(1) }),
          example: { status: 'not ready', reasons: ['the server is shutting down'] },
          headers: RETRY_AFTER,
        },
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      id: 'readMetrics',
      summary: "Metrics in Prometheus's text format",
      access: 'everybody',
      answers: { 200: { description: 'All of them.', textType: 'text/plain' } },
    },
    document('/openapi.json', 'readOpenApi', 'This document', z.looseObject({ openapi: z.string() })),
    document(
      '/asyncapi.json',
      'readAsyncApi',
      'The WebSocket protocol as AsyncAPI',
      z.looseObject({ asyncapi: z.string() }),
    ),
  ],
};
