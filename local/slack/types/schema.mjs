// Writes the block types that Slack publishes (npm: @slack/types) as a JSON Schema.
//
//   node schema.mjs [FILE]      FILE is ../block_types.json unless it is given
//
// An object has no property beyond its type, as the compiler allows none in a literal. Objects
// that are told apart by their `type` are looked up by it, so that what is wrong is said of the
// one that was meant and not of all that it could have been.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { createGenerator } from 'ts-json-schema-generator';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const types = createRequire(import.meta.url).resolve('@slack/types').replace(/\.js$/, '.d.ts');
const source = JSON.parse(readFileSync(here('node_modules/@slack/types/package.json'), 'utf8'));

const { $schema, definitions, ...blocks } = createGenerator({
  path: types,
  type: 'KnownBlock',
  tsconfig: here('tsconfig.json'),
  additionalProperties: false,
  jsDoc: 'none',
  topRef: false,
}).createSchema('KnownBlock');

/** The schema itself where it is named by a reference. */
function resolved(schema) {
  return schema.$ref ? definitions[decodeURIComponent(schema.$ref.split('/').at(-1))] : schema;
}

/** What a schema stands for: all of its alternatives, or itself. */
function alternatives(schema) {
  const within = resolved(schema).anyOf;
  const many = within && new Set(within.flatMap(alternatives).map(typeOf)).size > 1;
  return many ? within.flatMap(alternatives) : [schema];
}

/** The `type` that an object must have, or undefined. */
function typeOf(schema) {
  const { anyOf, properties } = resolved(schema);
  return anyOf ? typeOf(anyOf[0]) : properties?.type?.const;
}

/** The same schema, in which alternatives are chosen by their `type`. */
function chosenByType(schema) {
  if (Array.isArray(schema)) return schema.map(chosenByType);
  if (schema === null || typeof schema !== 'object') return schema;
  const all = schema.anyOf ? alternatives(schema) : [];
  const names = all.map(typeOf);
  if (all.length < 2 || names.includes(undefined) || new Set(names).size < all.length) {
    return Object.fromEntries(Object.entries(schema).map(([k, v]) => [k, chosenByType(v)]));
  }
  return {
    type: 'object',
    required: ['type'],
    properties: { type: { enum: names } },
    allOf: all.map((each, i) => ({
      if: { required: ['type'], properties: { type: { const: names[i] } } },
      then: chosenByType(each),
    })),
  };
}

const about =
  `Slack's block types, of ${source.name} ${source.version} (${source.license} licence, ` +
  `${source.author}). Made by \`make block-types\`; not edited by hand.`;
const lines = Object.keys(definitions)
  .sort()
  .map((name) => `${JSON.stringify(name)}: ${JSON.stringify(chosenByType(definitions[name]))}`);
const head = JSON.stringify({ $schema, $comment: about, ...chosenByType(blocks) }, null, 1);
// A definition a line: a new version of the types is read as a difference of lines.
const written = `${head.slice(0, -2)},\n "definitions": {\n${lines.join(',\n')}\n }\n}\n`;
writeFileSync(process.argv[2] ?? here('../block_types.json'), written);
