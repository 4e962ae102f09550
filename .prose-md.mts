import { readFileSync } from "node:fs";
const { findingsIn, proseOfMarkdown, proseRules } = await import(process.cwd() + "/test/support/prose.ts");
for (const f of process.argv.slice(2)) for (const x of findingsIn(proseOfMarkdown(readFileSync(f, "utf8")), proseRules)) console.log(`${f}:${x.line}: ${x.word}: ${readFileSync(f,"utf8").split("\n")[x.line-1].trim().slice(0,160)}`);
