import { z } from 'zod';

export type Json = Readonly<Record<string, unknown>>;
type Draft = 'draft-2020-12' | 'draft-07';

const DEFS = { 'draft-2020-12': '$defs', 'draft-07': 'definitions' } as const;

/**
 * The schemas of one document. What has a name (`.meta({ id })`) stands once, under `components`, and is referred to. What clients
 * send is described as strictly as it is read; what they get may gain members, which they are told to ignore.
 */
export class Schemas {
  readonly #named = new Map<string, Json>();
  readonly #made = { input: new Map<z.ZodType, Json>(), output: new Map<z.ZodType, Json>() };
  readonly #draft: Draft;

  constructor(draft: Draft) {
    this.#draft = draft;
  }

  /** By name, in the order of their names. */
  get components(): Json {
    return Object.fromEntries([...this.#named].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  sent(schema: z.ZodType): Json {
    return this.#convert(schema, 'input');
  }

  answered(schema: z.ZodType): Json {
    return this.#convert(schema, 'output');
  }

  #convert(schema: z.ZodType, io: 'input' | 'output'): Json {
    const made = this.#made[io].get(schema) ?? this.#make(schema, io);
    this.#made[io].set(schema, made);
    return made;
  }

  #make(schema: z.ZodType, io: 'input' | 'output'): Json {
    const defs = DEFS[this.#draft];
    const made = z.toJSONSchema(schema, {
      io,
      target: this.#draft,
      // What a reader transforms stands in named schemas, which were taken as they are sent.
      unrepresentable: io === 'output' ? 'any' : 'throw',
      override: ({ jsonSchema }) => tidy(jsonSchema, io === 'output'),
    });
    const {
      $schema: _,
      [defs]: named = {},
      ...root
    } = JSON.parse(JSON.stringify(made).replaceAll(`"#/${defs}/`, '"#/components/schemas/')) as Json;
    // A name that is sent and answered keeps what it is as it is sent.
    for (const [id, one] of Object.entries(named as Record<string, Json>))
      if (!this.#named.has(id)) this.#named.set(id, one);
    return root;
  }
}

/** Integers are safe ones everywhere, and a format says what its pattern would: no reader needs to be told. */
function tidy(json: z.core.JSONSchema.BaseSchema, open: boolean): void {
  if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum;
  if (json.minimum === Number.MIN_SAFE_INTEGER) delete json.minimum;
  if (json.format !== undefined) delete json.pattern;
  if (open && json.additionalProperties === false) delete json.additionalProperties;
}
