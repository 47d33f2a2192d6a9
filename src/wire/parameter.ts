/** What may stand in a JSON Schema (draft 2020-12, as OpenAPI 3.1 has it) of a parameter. */
export interface ParameterSchema {
  readonly type?: 'string' | 'integer' | 'boolean';
  readonly format?: string;
  readonly pattern?: string;
  readonly enum?: readonly (string | boolean)[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly default?: string | number | boolean;
  readonly anyOf?: readonly ParameterSchema[];
}

/**
 * A parameter of a request. The declaration that reads it is the one that the description of the API is made of, so that the
 * two cannot differ.
 */
export interface Parameter<T> {
  readonly description: string;
  readonly schema: ParameterSchema;
  readonly required?: true;
  readonly example?: string | number | boolean;
  /**
   * @param text undefined: it is not given
   * @throws the error of the surface, with words that say what would be right
   */
  read(text: string | undefined, name: string): T;
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>;

export type Values<P extends Parameters> = { readonly [K in keyof P]: P[K] extends Parameter<infer T> ? T : never };

/** In the order of the declaration. */
export function readValues<P extends Parameters>(given: ReadonlyMap<string, string>, parameters: P): Values<P> {
  const values: Record<string, unknown> = {};
  for (const name in parameters) values[name] = parameters[name]?.read(given.get(name), name);
  return values as Values<P>;
}
