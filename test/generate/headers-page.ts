import { type HeaderRow, headerTable } from "../../src/core/headers.ts";
import { tableOf } from "./markdown.ts";

const intro = `# Headers

<!-- This page is generated from src/core/headers.ts by \`npm run generate\`. -->

Pointsman reads or sets these headers of requests and responses, besides those of HTTP itself. A plugin parameter may name
another header in place of a session header. Names match in any case.

- A header that a **client** may set is not authenticated. If users must not choose their priority, model or tenant, let the
  gateway remove or overwrite it ([behind-envoy.md](behind-envoy.md)).
- A header that only **Pointsman** may set tells a gateway, an engine or its sidecar where to connect. Pointsman removes a
  client's copy from every request, for any ingress.
- If a header is missing or empty, its older name is read.
`;

/** The page about every header that Pointsman reads or sets. */
export function headersPage(): string {
  const rows = Object.values<HeaderRow>(headerTable);
  return [intro, ...["request", "response"].map((direction) => sectionOf(direction, rows))].join(
    "\n",
  );
}

function sectionOf(direction: string, rows: readonly HeaderRow[]): string {
  const shown = rows.filter((row) => row.direction === direction);
  const setBy = { client: "client", pointsman: "Pointsman" };
  const table = tableOf(
    ["header", "older name", "set by", "meaning"],
    shown.map((row) => [
      code(row.name),
      row.olderName === undefined ? "" : code(row.olderName),
      setBy[row.setBy],
      row.meaning,
    ]),
  );
  return `## Of ${direction}s\n\n${table}\n`;
}

function code(text: string): string {
  return `\`${text}\``;
}
