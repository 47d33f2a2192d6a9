import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { STREAM_PARAMETERS } from '../../src/gateway/sse/request.js';
import { asyncApi } from '../../src/http/documents/asyncapi.js';
import { clientMessage } from '../../src/wire/messages.js';
import { serverMessage } from '../../src/wire/schemas.js';

interface Message {
  readonly name: string;
  readonly payload: object;
  readonly examples: readonly { readonly payload: object }[];
}

interface Document {
  readonly components: { readonly messages: Readonly<Record<string, Message>> };
}

/** /asyncapi.json, and messages as it has them: a message's `type` or `op` names it. */
export class Described {
  readonly document = asyncApi('0.0.0', STREAM_PARAMETERS) as unknown as Document;
  readonly #ajv = new Ajv({ strict: false });

  constructor() {
    formats.default(this.#ajv);
    this.#ajv.addSchema(this.document, 'api');
  }

  get requests(): readonly string[] {
    return clientMessage.options.map((option) => option.shape.op.value);
  }

  /** What the server sends over a WebSocket. */
  get answers(): readonly string[] {
    return serverMessage.options.map((option) => option.shape.type.value);
  }

  /** @throws where the message is not as the strict schema or as the document has it */
  check(message: object): void {
    const name = 'type' in message ? message.type : 'op' in message ? message.op : undefined;
    if (typeof name !== 'string' || !(name in this.document.components.messages))
      throw new Error(`not described: ${JSON.stringify(message)}`);
    ('type' in message ? serverMessage : clientMessage).parse(message);
    if (this.#ajv.validate({ $ref: `api#/components/messages/${name}/payload` }, message)) return;
    throw new Error(`not as described: ${JSON.stringify(message)}: ${this.#ajv.errorsText()}`);
  }
}
