import { expect, it } from "vitest";
import { endpointsOf } from "./endpoints-file.ts";

it("reads the addresses of the simulator's file", () => {
  const endpoints = [{ name: "engine-0", address: "127.0.0.1", port: 8_200 }, { name: "broken" }];
  expect(endpointsOf(JSON.stringify({ endpoints }))).toEqual([
    { address: "127.0.0.1", port: 8_200 },
  ]);
});

it.each(["", "[]", "{}", '{"endpoints":1}'])("finds none in %j", (text) => {
  expect(endpointsOf(text)).toEqual([]);
});
