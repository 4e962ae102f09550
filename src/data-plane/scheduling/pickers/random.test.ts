import { describe, expect, it } from "vitest";
import { itKeepsThePickerContract } from "#test/contract/picker.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { seededRandom } from "../../../std/random.ts";
import type { PluginDeps } from "../../../core/data-plane-plugin.ts";
import { randomPicker } from "./random.ts";

const pickerOf = (maxNumOfEndpoints: number, random: PluginDeps["random"]) =>
  randomPicker.create({ maxNumOfEndpoints }, pluginDeps({ random }));

describe("random-picker", () => {
  itKeepsThePickerContract(pickerOf);

  it("picks each candidate equally often, independent of its total", () => {
    const picker = pickerOf(1, seededRandom(42));
    const counts = [0, 0, 0, 0];
    for (let draw = 0; draw < 8_000; draw += 1) {
      const [first = -1] = picker.pick(Float64Array.of(0, 1, 5, 100));
      counts[first] = (counts[first] ?? 0) + 1;
    }
    // 2,000 each, with a standard deviation of sqrt(8,000 x 1/4 x 3/4) = 39; four of those are 155.
    for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(155);
  });

  it("picks as many as it may", () => {
    const picker = pickerOf(3, seededRandom(1));
    expect(picker.pick(new Float64Array(10))).toHaveLength(3);
    expect(picker.pick(new Float64Array(2))).toHaveLength(2);
  });

  it("reaches every order", () => {
    const picker = pickerOf(3, seededRandom(7));
    const orders = new Set<string>();
    for (let draw = 0; draw < 200; draw += 1) {
      orders.add(picker.pick(Float64Array.of(1, 2, 3)).join());
    }
    // 3! orders
    expect(orders.size).toBe(6);
  });

  it("picks one endpoint by default", () => {
    expect(randomPicker.load({})).toMatchObject({ parameters: { maxNumOfEndpoints: 1 } });
  });
});
