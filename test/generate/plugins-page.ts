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
      "Judge the candidates, each with 0 to 1, where 1 is best. The total of a candidate is the sum of `weight x score` over the scorers of its profile. A signal that is not known scores 0.5 unless stated otherwise ([decision 0007](decisions/0007-unknown-signals-score-half.md)).",
  },
  {
    title: "Filters",
    kinds: ["filter"],
    intro:
      "Narrow the candidates of a profile, one after another in the profile's order, before anything is scored.",
  },
  {
    title: "Pickers",
    kinds: ["picker"],
    intro: "Choose by the totals. A profile has one; `max-score-picker` where it names none.",
  },
  {
    title: "Profile handlers",
    kinds: ["profile-handler"],
    intro:
      "Say which profiles run for a request, and which one's choice receives it. A document has one; `single-profile-handler` where it names none.",
  },
  {
    title: "Deciders",
    kinds: ["decider"],
    intro: "Say whether a request gets a stage of its own. Profile handlers name them.",
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
      "Find something out about a request, once, for the plugins that read it. One that a plugin needs and the document does not declare is made by itself, with its defaults. A producer with a name of its own is read only by those that name it.",
  },
  {
    title: "Saturation detectors",
    kinds: ["saturation-detector"],
    intro:
      "Say how full the pool is. `flowControl.saturationDetector` names the one that counts; `utilization-detector` where nothing does.",
  },
  {
    title: "Admitters",
    kinds: ["admitter"],
    intro: "Say before scheduling whether a request may run at all. Declaring one is enough.",
  },
  {
    title: "Parsers",
    kinds: ["parser"],
    intro:
      "Read the bodies of requests. `requestHandler.parsers` says which are in use, by name or by type; without it `openai-parser`, `anthropic-parser`, `vllmhttp-parser` and `passthrough-parser` are.",
  },
  {
    title: "Data sources and extractors",
    kinds: ["data-source", "extractor"],
    intro: "Say how engines are scraped, and what is read of it.",
  },
  {
    title: "Discovery",
    kinds: ["discovery"],
    intro: "Knows the endpoints where there is no cluster. `dataLayer.discovery` names it.",
  },
  {
    title: "Policies of flow control",
    kinds: ["fairness-policy", "ordering-policy", "usage-limit-policy", "eviction-policy"],
    intro: "Rule the queue of flow control, which is not built yet.",
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

Made from the code by \`npm run generate\`; do not edit it here. [configuration.md](configuration.md) says how a document
names plugins and puts them together.

A type is what \`plugins[].type\` says; its parameters stand under \`plugins[].parameters\`. \`a.b\` is the field \`b\` of the
object \`a\`, \`a[]\` an entry of the list \`a\`. A parameter without a default is one that may be left out, unless it says
"required". What is written in italics says when to change it.

A document of any \`apiVersion\` can name the types of llm-d-router. A type that Pointsman alone has says so, and needs
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
    const note = need.isOptional === true ? "; does without where there is none" : "";
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
    const sentence = "Any parameters are accepted and not used.";
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

A document that names one of these is refused, so that nobody believes it to be at work: \`PATH: TYPE is known and not
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
