import { describe, expect, it } from "vitest";
import { anEndpoint } from "#test/support/builders.ts";
import { endpointsInSubset } from "./subset.ts";

const first = anEndpoint({ slot: 0, address: "10.0.0.1", port: 8000 });
const firstOtherPort = anEndpoint({ slot: 1, address: "10.0.0.1", port: 8001 });
const second = anEndpoint({ slot: 2, address: "10.0.0.11", port: 8000 });
const six = anEndpoint({ slot: 3, address: "fd00::1", port: 8000 });
const sixOtherPort = anEndpoint({ slot: 4, address: "fd00::1", port: 8001 });
const pool = [first, firstOtherPort, second, six, sixOtherPort];

describe("endpointsInSubset", () => {
  it.each([
    { form: "ip:port", subset: ["10.0.0.1:8001"], allowed: [firstOtherPort] },
    { form: "ip", subset: ["10.0.0.1"], allowed: [first, firstOtherPort] },
    { form: "[v6]:port", subset: ["[fd00::1]:8001"], allowed: [sixOtherPort] },
    { form: "bare v6", subset: ["fd00::1"], allowed: [six, sixOtherPort] },
    { form: "[v6]", subset: ["[fd00::1]"], allowed: [six, sixOtherPort] },
    { form: "several", subset: ["fd00::1", "10.0.0.1:8000"], allowed: [first, six, sixOtherPort] },
    { form: "one twice", subset: ["10.0.0.1", "10.0.0.1:8000"], allowed: [first, firstOtherPort] },
    { form: "a stranger", subset: ["10.9.9.9:8000", "10.0.0.11:8000"], allowed: [second] },
  ])("takes $form", ({ subset, allowed }) => {
    expect(endpointsInSubset(pool, subset)).toEqual(allowed);
  });

  it("allows none if no entry fits", () => {
    expect(endpointsInSubset(pool, ["10.0.0.1:9999", "", "[]", "10.0.0."])).toEqual([]);
    expect(endpointsInSubset(pool, [])).toEqual([]);
  });

  it("keeps the order of the pool and not that of the hint", () => {
    expect(endpointsInSubset(pool, ["10.0.0.11:8000", "10.0.0.1:8000"])).toEqual([first, second]);
  });
});
