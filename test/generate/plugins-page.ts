import type { DataKind, Plugin, PluginKind } from "../../src/core/plugin.ts";
import { testOnlyPlugins } from "../../src/data-plane/scheduling/registry.ts";
import { plannedPlugins } from "../../src/config/planned-plugins.ts";
import { ownApiVersion } from "../../src/config/document.ts";
import { producerNameOf } from "../../src/config/wiring.ts";
import { plugins as builtPlugins } from "../../src/gateway/plugins.ts";
import { type JsonSchema, jsonSchemaOf } from "./json-schema.ts";
import { tableOf } from "./markdown.ts";
import { type Row, rowsOf } from "./parameter-rows.ts";
import { needsOf, parameterOf } from "./plugin-needs.ts";

interface Section {
  readonly title: string;
  readonly kinds: readonly PluginKind[];
  readonly intro: string;
}

/** In the order in which they work on a request. */
const sections: readonly Section[] = [
  {
    title: "Scorers",
    kinds: ["scorer"],
    intro:
      "Give each candidate a score from 0 to 1; 1 is best. The total of a candidate is the sum of `weight x score` over the scorers of its profile. An unknown signal scores 0.5 unless stated otherwise ([decision 0007](decisions/0007-unknown-signals-score-half.md)).",
  },
  {
    title: "Filters",
    kinds: ["filter"],
    intro:
      "Remove candidates of a profile, one after another in the profile's order, before scoring.",
  },
  {
    title: "Pickers",
    kinds: ["picker"],
    intro:
      "Choose endpoints by the totals. A profile has one picker; the default is `max-score-picker`.",
  },
  {
    title: "Profile handlers",
    kinds: ["profile-handler"],
    intro:
      "Decide which profiles run for a request, and which profile's choice receives it. A document has one handler; the default is `single-profile-handler`.",
  },
  {
    title: "Deciders",
    kinds: ["decider"],
    intro: "Decide whether a request gets a separate stage. Profile handlers refer to them.",
  },
  {
    title: "Response handlers",
    kinds: ["response-handler"],
    intro: "Work on responses only.",
  },
  {
    title: "Data producers",
    kinds: ["data-producer"],
    intro:
      "Compute data about a request once, for other plugins to read. If a plugin needs a producer that the document does not declare, it is created with its defaults. A producer with its own name is read only by plugins that name it.",
  },
  {
    title: "Saturation detectors",
    kinds: ["saturation-detector"],
    intro:
      "Compute how full the pool is. `flowControl.saturationDetector` names the one in use; the default is `utilization-detector`.",
  },
  {
    title: "Admitters",
    kinds: ["admitter"],
    intro: "Decide before scheduling whether a request may run. They need no reference.",
  },
  {
    title: "Request writers",
    kinds: ["request-writer"],
    intro:
      "Add fields to the JSON body of a request that leaves for its engine. They need no reference.",
  },
  {
    title: "Parsers",
    kinds: ["parser"],
    intro:
      "Parse the bodies of requests. `requestHandler.parsers` lists those in use, by name or by type; the default is `openai-parser`, `anthropic-parser`, `vllmhttp-parser` and `passthrough-parser`.",
  },
  {
    title: "Data sources and extractors",
    kinds: ["data-source", "extractor"],
    intro: "Set how engines are scraped, and which data is extracted.",
  },
  {
    title: "Discovery",
    kinds: ["discovery"],
    intro:
      "Lists the endpoints if they do not come from a cluster. `dataLayer.discovery` names it.",
  },
  {
    title: "Policies of flow control",
    kinds: ["fairness-policy", "ordering-policy", "usage-limit-policy", "eviction-policy"],
    intro:
      "Order the queue of flow control, which the gate `flowControl` turns on ([flow-control.md](flow-control.md)).",
  },
];

const kindNames: Readonly<Record<PluginKind, string>> = {
  filter: "filter",
  scorer: "scorer",
  picker: "picker",
  "profile-handler": "profile handler",
  decider: "decider",
  "data-producer": "data producer",
  admitter: "admitter",
  "request-writer": "request writer",
  "saturation-detector": "saturation detector",
  "response-handler": "response handler",
  parser: "parser",
  discovery: "discovery",
  "data-source": "data source",
  extractor: "extractor",
  "fairness-policy": "fairness policy",
  "ordering-policy": "ordering policy",
  "usage-limit-policy": "usage limit policy",
  "eviction-policy": "eviction policy",
};

const head = `# Plugins

This page is generated from the code by \`npm run generate\`; do not edit it. [configuration.md](configuration.md) describes how a
document names and combines plugins.

\`plugins[].type\` is the type of a plugin, and \`plugins[].parameters\` has its parameters. \`a.b\` is the field \`b\` of the object
\`a\`, and \`a[]\` an entry of the list \`a\`. A parameter without a default is optional unless it says "required". Advice on when to
change a parameter is in italics.

A document of any \`apiVersion\` can name the types of llm-d-router. A type that only Pointsman has is marked, and needs
\`apiVersion: ${ownApiVersion}\`.
`;

/** The text of docs/plugins.md. */
export function pluginsPage(plugins: readonly Plugin[] = builtPlugins): string {
  const usual = plugins.filter(({ type }) => !testOnlyPlugins.has(type));
  const testOnly = plugins.filter(({ type }) => testOnlyPlugins.has(type));
  return [
    head,
    contentsText(usual),
    ...sections.map((section) => sectionText(section, usual)),
    "## For tests only\n\nConformance tests load them, with `--enable-conformance-plugins`. Without that switch a document that names one is\nrefused.\n",
    ...testOnly.map((plugin) => pluginText(plugin)),
    plannedText(),
  ].join("\n");
}

function contentsText(plugins: readonly Plugin[]): string {
  const rows = sections.map(({ title, kinds }) => {
    const types = plugins.filter((plugin) => plugin.kinds.some((kind) => kinds.includes(kind)));
    return [title, types.map(({ type }) => linkTo(type)).join(", ")];
  });
  return `${tableOf(["kind", "types"], rows)}\n`;
}

function sectionText({ title, kinds, intro }: Section, plugins: readonly Plugin[]): string {
  const belongs = ({ kinds: [first] }: Plugin) => kinds.includes(first);
  const guests = plugins.filter(
    (plugin) => !belongs(plugin) && plugin.kinds.some((kind) => kinds.includes(kind)),
  );
  const also =
    guests.length === 0 ? [] : [`Also: ${guests.map(({ type }) => linkTo(type)).join(", ")}.\n`];
  return [
    `## ${title}\n\n${intro}\n`,
    ...also,
    ...plugins.filter(belongs).map((plugin) => pluginText(plugin)),
  ].join("\n");
}

function pluginText(plugin: Plugin): string {
  const schema = jsonSchemaOf(plugin.params);
  const facts = factsOf(plugin, schema);
  const list = facts.length === 0 ? [] : [`${facts.map((fact) => `- ${fact}`).join("\n")}\n`];
  return [
    `### ${plugin.type}\n\n${plugin.summary}\n`,
    ...list,
    `${parametersText(plugin, schema)}\n`,
  ].join("\n");
}

function factsOf(plugin: Plugin, schema: JsonSchema): string[] {
  const { aliases = [], kinds, produces, isOwn } = plugin;
  const facts = needsOf(plugin, schema).map((need) => {
    const parameter = parameterOf(need);
    if (need.kind === "plugin") return `Refers to a ${kindNames[need.as]}: \`${parameter}\`.`;
    const other = parameter === "" ? "" : `, or of the producer that \`${parameter}\` names`;
    const note = need.isOptional === true ? "; optional" : "";
    return `Reads \`${need.data}\` of ${producerText(need.data)}${other}${note}.`;
  });
  if (produces !== undefined) facts.push(`Produces \`${produces}\`.`);
  if (kinds.length > 1) {
    facts.push(`Is a ${kinds.map((kind) => kindNames[kind]).join(" and a ")}.`);
  }
  if (isOwn === true) {
    facts.push(`Pointsman's own: only a document of \`apiVersion: ${ownApiVersion}\` can name it.`);
  }
  if (aliases.length > 0) facts.push(`Older names: ${aliases.map(codeOf).join(", ")}.`);
  return facts;
}

function producerText(data: DataKind): string {
  const name = producerNameOf(data, undefined);
  if (!plannedPlugins.has(name)) return linkTo(name);
  return `\`${name}\`, which is not built yet, so that no document can name this plugin`;
}

/** Empty where the summary has said it all. */
function parametersText({ summary }: Plugin, schema: JsonSchema): string {
  if (schema.properties === undefined) {
    const sentence = "Parameters are accepted and ignored.";
    return summary.includes(sentence) ? "" : sentence;
  }
  const rows = rowsOf(schema);
  if (rows.length === 0) return "No parameters.";
  return tableOf(
    ["parameter", "type and bounds", "unit", "default", "meaning, and when to change it"],
    rows.map((row) => [codeOf(row.name), row.type, row.unit, row.initial, meaningOf(row)]),
  );
}

/** The last column of every table. */
export function meaningOf({ description, tune }: Row): string {
  return [description, tune === "" ? "" : `*${tune}*`].filter((text) => text !== "").join(" ");
}

function plannedText(): string {
  const types = [...plannedPlugins].toSorted().map((type) => `- \`${type}\``);
  return `## Known and not built yet

A document that names one of these is refused, so that it is not mistaken for an active plugin: \`PATH: TYPE is known and not
built yet\`.

${types.join("\n")}
`;
}

function linkTo(type: string): string {
  return `[\`${type}\`](#${type})`;
}

function codeOf(text: string): string {
  return `\`${text}\``;
}
