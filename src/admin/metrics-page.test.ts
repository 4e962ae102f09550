import { Gauge } from "prom-client";
import { expect, it } from "vitest";
import { MetricsRegistry } from "../telemetry/metrics-registry.ts";
import { metricsPage } from "./metrics-page.ts";

function aRegistry(): MetricsRegistry {
  const registry = new MetricsRegistry();
  const gauge = new Gauge({
    name: "llm_d_epp_ready_endpoints",
    help: "Ready.",
    labelNames: ["name"],
    registers: [registry],
  });
  gauge.set({ name: "llama" }, 3);
  return registry;
}

const asked = (hasOlderNames: boolean) => ({ hasOlderNames, openMetricsType: undefined });

async function read(hasOlderNames: boolean): Promise<string> {
  const { body } = metricsPage(aRegistry(), asked(hasOlderNames));
  if (typeof body === "string") return body;
  let page = "";
  for await (const chunk of body) page += chunk;
  return page;
}

it("has older names only where they are wanted", async () => {
  expect(await read(false)).not.toContain("inference_pool_ready_pods");
  expect(await read(true)).toContain('inference_pool_ready_pods{name="llama"} 3');
});

it("is refused to a ninth reader until another has finished or left", async () => {
  const registry = aRegistry();
  const begun = Array.from({ length: 8 }, () => registry.chunks({ hasOlderNames: true }));
  await Promise.all(begun.map((page) => page.next()));
  const refused = metricsPage(registry, asked(true));
  expect([refused.httpStatus, refused.headers]).toEqual([503, { "retry-after": "1" }]);
  await begun[0]?.return(undefined);
  expect(metricsPage(registry, asked(true)).httpStatus).toBe(200);
});
