import { h } from '../dom.js';
import { nameOf, type Schema, type Schemas } from './documents.js';
import { inline } from './text.js';

/** Longer lists of values are told below the type. */
const MAX_VALUES = 4;

/** What a schema says, as a list of members; null: its type says it all. */
export function members(schema: Schema, schemas: Schemas): HTMLElement | null {
  const given = resolve(schema, schemas);
  if (given.properties !== undefined && Object.keys(given.properties).length > 0) return objectOf(given, schemas);
  const choices = given.anyOf ?? given.oneOf;
  if (choices !== undefined) return choicesOf(choices, schemas);
  if (given.items !== undefined && typeof given.items === 'object') return members(given.items, schemas);
  if (given.prefixItems !== undefined) return h('p', { class: 'note' }, given.description ?? '');
  return null;
}

/** `string`, `"a" | "b"`, `Candle[]`, `integer 1…1000`. */
export function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) return nameOf({ $ref: schema.$ref });
  if (schema.allOf !== undefined) return schema.allOf.map(typeOf).join(' & ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined && schema.enum.length <= MAX_VALUES)
    return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return [...new Set(choices.map(typeOf))].join(' | ');
  if (schema.prefixItems !== undefined) return 'array';
  if (schema.type === 'array') return arrayOf(schema);
  const type = Array.isArray(schema.type) ? schema.type.join(' | ') : (schema.type ?? 'any');
  return [schema.format ?? type, rangeOf(schema)].join(' ').trim();
}

function arrayOf({ items, minItems, maxItems }: Schema): string {
  const inner = typeof items === 'object' ? typeOf(items) : 'any';
  const range = rangeOf({
    ...(minItems === undefined ? {} : { minimum: minItems }),
    ...(maxItems === undefined ? {} : { maximum: maxItems }),
  });
  return `${inner.includes(' ') ? `(${inner})` : inner}[]${range === '' ? '' : ` ${range}`}`;
}

function rangeOf({ minimum, maximum, maxLength, minLength }: Schema): string {
  if (maxLength !== undefined) return `${minLength ?? 0}…${maxLength} characters`;
  if (minimum !== undefined && maximum !== undefined) return `${minimum}…${maximum}`;
  if (minimum !== undefined && minimum !== 0) return `≥ ${minimum}`;
  return maximum === undefined ? '' : `≤ ${maximum}`;
}

/** What is beside the type: the description, many values, the default. */
export function notes(schema: Schema, schemas: Schemas): (Node | string)[] {
  const named = resolve(schema, schemas);
  const text = schema.description ?? named.description;
  const values =
    named.enum !== undefined && (named.enum.length > MAX_VALUES || schema.$ref !== undefined) ? named.enum : null;
  return [
    ...(text === undefined ? [] : inline(text)),
    ...(values === null
      ? []
      : [h('span', { class: 'values' }, ...values.flatMap((value) => [h('code', {}, String(value)), ' ']))]),
    ...(schema.default === undefined
      ? []
      : [h('span', { class: 'default' }, 'Default ', h('code', {}, JSON.stringify(schema.default)))]),
  ];
}

function objectOf({ properties = {}, required = [] }: Schema, schemas: Schemas): HTMLElement {
  const rows = Object.entries(properties).flatMap(([name, schema]) => [
    h(
      'dt',
      {},
      h('code', { class: 'name' }, name),
      ' ',
      h('span', { class: 'type' }, typeOf(schema)),
      required.includes(name) ? null : h('span', { class: 'optional' }, 'optional'),
    ),
    h('dd', {}, ...notes(schema, schemas), nested(schema, schemas)),
  ]);
  return h('dl', { class: 'members' }, ...rows);
}

/** Opened when somebody wants to see it: schemas may hold themselves. */
function nested(schema: Schema, schemas: Schemas): HTMLElement | null {
  if (!hasMembers(schema, schemas)) return null;
  const details = h('details', { class: 'nested' }, h('summary', {}, labelOf(schema)));
  details.addEventListener('toggle', () => {
    if (details.open && details.childElementCount === 1) details.append(members(schema, schemas) ?? '');
  });
  return details;
}

function choicesOf(choices: readonly Schema[], schemas: Schemas): HTMLElement | null {
  const shown = choices.flatMap(flat).filter((choice) => hasMembers(choice, schemas));
  if (shown.length === 0) return null;
  if (shown.length === 1 && shown[0] !== undefined) return members(shown[0], schemas);
  const items = shown.map((choice, place) => {
    const label = choice.$ref === undefined ? titleOf(choice, place) : typeOf(choice);
    const details = h('details', { class: 'nested' }, h('summary', {}, label));
    details.addEventListener('toggle', () => {
      if (details.open && details.childElementCount === 1) details.append(members(choice, schemas) ?? '');
    });
    return details;
  });
  return h('div', { class: 'choices' }, h('p', { class: 'note' }, 'One of:'), ...items);
}

/** The name of a schema that has one. */
function labelOf(schema: Schema): string {
  const { $ref } = schema.allOf?.[0] ?? (typeof schema.items === 'object' ? schema.items : schema);
  return $ref === undefined ? 'members' : nameOf({ $ref });
}

/** Choices among choices are choices. */
function flat(schema: Schema): readonly Schema[] {
  return (schema.anyOf ?? schema.oneOf)?.flatMap(flat) ?? [schema];
}

/** What tells a choice from the others: its constants, else its members. */
function titleOf({ properties = {} }: Schema, place: number): string {
  const constants = Object.entries(properties).flatMap(([name, { const: value }]) =>
    value === undefined ? [] : [`${name}: ${JSON.stringify(value)}`],
  );
  const names = Object.keys(properties);
  return (
    constants[0] ??
    (names.length === 0 ? `${place + 1}` : `{ ${names.slice(0, 4).join(', ')}${names.length > 4 ? ', …' : ''} }`)
  );
}

function hasMembers(schema: Schema, schemas: Schemas): boolean {
  const given = resolve(schema, schemas);
  if (given.properties !== undefined) return Object.keys(given.properties).length > 0;
  const choices = given.anyOf ?? given.oneOf;
  if (choices !== undefined) return choices.some((choice) => hasMembers(choice, schemas));
  return given.items !== undefined && typeof given.items === 'object' && hasMembers(given.items, schemas);
}

function resolve(schema: Schema, schemas: Schemas): Schema {
  const { $ref } = schema.allOf?.[0] ?? schema;
  return $ref === undefined ? schema : (schemas[nameOf({ $ref })] ?? {});
}
