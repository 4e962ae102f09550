import { expect, it } from "vitest";
import { anEndpoint, aRequest } from "#test/support/builders.ts";
import { aSnapshot } from "#test/support/snapshots.ts";
import { Admission } from "./admission.ts";

const pool = aSnapshot({ endpoints: [anEndpoint()] });

const waiter = () => {
  throw new Error("only a request that waits has a waiter");
};

function admitted(priority: number, saturation: number, endpoints = pool.endpoints) {
  const admission = new Admission({ saturation: () => saturation }, undefined);
  const request = aRequest({ priority });
  const asked = { request, pool: { ...pool, endpoints }, receivedMs: 0, waiter };
  const answer = admission.admit(asked);
  if (answer === "waits") throw new Error("nothing waits without flow control");
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
