import { expect, it } from "vitest";
import { aLoad, anEndpoint, aRequest } from "#test/support/builders.ts";
import { Admission } from "./admission.ts";

const pool = { endpoints: [anEndpoint()], load: aLoad([{}]), nowMs: 0 };

const signal = () => {
  throw new Error("only a request that waits asks for the signal");
};

function admitted(priority: number, saturation: number, endpoints = pool.endpoints) {
  const admission = new Admission({ saturation: () => saturation });
  const request = aRequest({ priority });
  const answer = admission.admit({ request, pool: { ...pool, endpoints }, signal });
  if (answer instanceof Promise) throw new Error("nothing waits yet");
  return answer;
}

it.each([
  { priority: -1, saturation: 1, code: "saturated" },
  { priority: -1, saturation: 0.99, code: undefined },
  { priority: 0, saturation: 9, code: undefined },
])("decides without a wait on priority $priority at saturation $saturation: $code", (row) => {
  expect(admitted(row.priority, row.saturation)?.code).toBe(row.code);
});

it("does not count an empty pool as full: scheduling says that no endpoint is ready", () => {
  expect(admitted(-1, 9, [])).toBeUndefined();
});
