import { type FlagTable, shownDefaultOf } from "../../src/cli/flags.ts";
import { serveFlags } from "../../src/cli/serve-flags.ts";
import { documentSchema } from "../../src/config/document.ts";
import { defaultConfigText } from "../../src/config/default-document.ts";
import { jsonSchemaOf } from "./json-schema.ts";
import { between, tableOf } from "./markdown.ts";
import { rowsOf } from "./parameter-rows.ts";
import { meaningOf } from "./plugins-page.ts";

/** The text of docs/configuration.md, with the parts that are made from the code made anew. */
export function configurationPage(text: string): string {
  const parts = {
    "default document": `\`\`\`yaml\n${defaultConfigText}\`\`\``,
    fields: fieldsTable(),
    flags: flagsTable(undefined, "why it does nothing"),
    "deprecated flags": flagsTable("deprecated", "instead"),
    "flags without effect": flagsTable("ignored", "remark"),
  };
  return Object.entries(parts).reduce(
    (page, [marker, content]) => between(page, marker, content),
    text,
  );
}

function fieldsTable(): string {
  return tableOf(
    ["field", "type and bounds", "unit", "default", "meaning, and when to change it"],
    rowsOf(jsonSchemaOf(documentSchema)).map((row) => [
      `\`${row.name}\``,
      row.type,
      row.unit,
      row.initial,
      meaningOf(row),
    ]),
  );
}

function flagsTable(standing: FlagTable[string]["standing"], lastColumn: string): string {
  const flags = Object.entries<FlagTable[string]>(serveFlags);
  return tableOf(
    ["flag", "value", "default", "meaning", lastColumn],
    flags
      .filter(([, flag]) => flag.standing === standing)
      .map(([name, flag]) => [
        [name, ...(flag.aliases ?? [])].map((each) => `\`--${each}\``).join(", "),
        flag.kind === "boolean" ? "`true` or `false`" : flag.kind,
        shownDefaultOf(flag).replaceAll('"', ""),
        flag.help,
        [
          (flag.warning ?? "").replace(/^(?:deprecated:|has no effect:?) ?/, ""),
          ...(flag.quietFor ?? []).map((value) => `\`${value}\` logs no warning`),
        ]
          .filter((part) => part !== "")
          .join("; "),
      ]),
  );
}
