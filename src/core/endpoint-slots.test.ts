import fc from "fast-check";
import { expect, it } from "vitest";
import { anEndpoint, endpoints } from "#test/support/builders.ts";
import { slotsOf } from "./endpoint-slots.ts";

it("gives the slots of endpoints in their order", () => {
  const list = [7, 0, 4_095].map((slot) => anEndpoint({ slot }));
  expect([...slotsOf(list)]).toEqual([7, 0, 4_095]);
});

it("reads a list that stays the same once", () => {
  const list = endpoints(3);
  const slots = slotsOf(list);
  expect(slotsOf(list)).toBe(slots);
});

it("reads a list again that has grown or is short of an endpoint", () => {
  const list = [...endpoints(3)];
  slotsOf(list);
  list.push(anEndpoint({ slot: 9 }));
  expect([...slotsOf(list)]).toEqual([0, 1, 2, 9]);
  list.length = 1;
  expect([...slotsOf(list)]).toEqual([0]);
});

it("gives the slots of any lists, in any order and however often", () => {
  const lists = fc.array(fc.array(fc.nat({ max: 4_095 })), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(lists, fc.array(fc.nat({ max: 19 })), (each, asked) => {
      const kept = each.map((slots) => slots.map((slot) => anEndpoint({ slot })));
      for (const index of asked) {
        const list = kept[index % kept.length] ?? [];
        expect([...slotsOf(list)]).toEqual(list.map(({ slot }) => slot));
      }
    }),
  );
});
