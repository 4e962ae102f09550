import { parseArgs } from "node:util";
import { scenarios } from "./flow-control/scenarios.ts";
import { Stand } from "./flow-control/stand.ts";
import { markdownOf, rowsOf } from "./flow-control/table.ts";
import { runProgram, say } from "./run-program.ts";

const help = `Usage: node loadtest/flow-control.ts [options]

Shows what clients see of the queue: simulated engines, the picker and a real Envoy on loopback. An engine
runs 8 requests of about 0.2 s at a time. Prints a table in Markdown, one row for each tenant or priority;
waits are those that the picker logs. All scenarios take about 6 minutes.

  --scenario TEXT   only those whose name contains it; may be repeated

Scenarios:
${scenarios.map(({ name }) => `  ${name}`).join("\n")}
`;

const { values } = parseArgs({
  options: {
    scenario: { type: "string", multiple: true, default: [""] },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  const rows: (readonly string[])[] = [];
  const chosen = scenarios.filter(({ name }) =>
    values.scenario.some((part) => name.includes(part)),
  );
  for (const scenario of chosen) {
    const { name, queue } = scenario;
    say(name);
    const stand = await Stand.start(queue);
    try {
      await scenario.run(stand);
      rows.push(...rowsOf(name, stand));
    } finally {
      await stand.close();
    }
  }
  process.stdout.write(`${markdownOf(rows)}\n`);
}

if (values.help) process.stdout.write(help);
else await runProgram(main);
