import { describe, expect, it } from "vitest";
import { Screen, type Terminal } from "./screen.ts";
import { toned } from "./text.ts";

const escape = "\u001b[";

function aTerminal(terminal: Partial<Terminal> = {}, size = { columns: 10, rows: 4 }) {
  const written: string[] = [];
  const resizes = new Set<() => void>();
  const onResize = (listener: () => void) => {
    resizes.add(listener);
    return () => void resizes.delete(listener);
  };
  return {
    terminal: {
      ...{ isTty: true, hasColours: false, onResize, size: () => size },
      write: (text: string) => void written.push(text),
      ...terminal,
    },
    resizes,
    resize: () => resizes.forEach((listener) => listener()),
    /** Text written since the last read. */
    taken: () => written.splice(0).join(""),
  };
}

describe("Screen", () => {
  it("draws each time over what it drew before", () => {
    const { terminal, taken } = aTerminal();
    const screen = new Screen(terminal, ["try it"]);
    expect(taken()).toBe(`${escape}?25ltry it\n`);
    screen.draw([[toned("a")], [toned("b")]]);
    expect(taken()).toBe(`a${escape}K\nb${escape}K\n${escape}J`);
    screen.draw([[toned("c")]]);
    expect(taken()).toBe(`${escape}2A\rc${escape}K\n${escape}J`);
  });

  it("gives the cursor back and listens no more", () => {
    const { terminal, taken, resizes } = aTerminal();
    const screen = new Screen(terminal, []);
    taken();
    screen.close();
    expect(taken()).toBe(`${escape}?25h`);
    expect(resizes.size).toBe(0);
  });

  it("cuts lines to the width and drawings to the height", () => {
    const { terminal, taken } = aTerminal();
    const screen = new Screen(terminal, []);
    taken();
    screen.draw([[toned("12345678"), toned("90abc")], [], [], [toned("four")]]);
    expect(taken()).toBe(`1234567890${escape}K\n${escape}K\n${escape}K\n${escape}J`);
  });

  it("begins anew, preamble and all, when the size has changed", () => {
    const { terminal, taken, resize } = aTerminal();
    const screen = new Screen(terminal, ["try it"]);
    screen.draw([[toned("a")]]);
    resize();
    taken();
    screen.draw([[toned("a")]]);
    expect(taken()).toBe(`${escape}2J${escape}Htry it\na${escape}K\n${escape}J`);
  });

  it("colours where it may", () => {
    const { terminal, taken } = aTerminal({ hasColours: true });
    const screen = new Screen(terminal, []);
    taken();
    screen.draw([[toned("a"), toned("b", "bad")]]);
    expect(taken()).toBe(`a${escape}31mb${escape}0m${escape}K\n${escape}J`);
  });

  it("leaves the preamble its room where the rest suffices", () => {
    // 25 characters on 10 columns take three rows, and the cursor one.
    const preamble = ["x".repeat(25)];
    const roomOf = (rows: number) =>
      new Screen(aTerminal({}, { columns: 10, rows }).terminal, preamble).room();
    expect(roomOf(24)).toEqual({ columns: 10, rows: 20 });
    expect(roomOf(16)).toEqual({ columns: 10, rows: 15 });
  });
});
