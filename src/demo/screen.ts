import type { DemoEvent } from "./events.ts";
import { type Line, minutesOf, plainTextOf, type Segment, toned, type Tone } from "./text.ts";
import { plainLineOf, plainTitles } from "./summary.ts";
import { type DemoView, viewLinesOf, type ViewSize } from "./view.ts";

/** Milliseconds between two drawings of the live view, and between two plain lines. */
const drawMs = 500;
const plainLineMs = 2_000;

/** Where the demo shows itself. */
export interface Terminal {
  /** False for a pipe or a file, which get plain lines. */
  readonly isTty: boolean;
  readonly hasColours: boolean;
  readonly size: () => ViewSize;
  readonly write: (text: string) => void;
  /** Calls `listener` after every change of size; returns what ends that. */
  readonly onResize: (listener: () => void) => () => void;
}

/** Rows below which the lines take the preamble's room as well. */
const drawnRowsMin = 16;

const escape = "\u001b[";
const hideCursor = `${escape}?25l`;
const showCursor = `${escape}?25h`;
const clearScreen = `${escape}2J${escape}H`;
const clearLineEnd = `${escape}K`;
const clearBelow = `${escape}J`;

const codes: Readonly<Record<Tone, string>> = {
  plain: "",
  dim: "2",
  strong: "1",
  good: "32",
  bad: "31",
};

/** One way to show the demo. */
export interface Display {
  readonly intervalMs: number;
  readonly show: (view: DemoView) => void;
  readonly close: () => void;
}

/** The live view on a terminal, a line every two seconds elsewhere; either under the preamble. */
export function displayOn(terminal: Terminal, preamble: readonly string[]): Display {
  if (!terminal.isTty) {
    terminal.write(`${[...preamble, plainTitles].join("\n")}\n`);
    const eventsAfter = eventLines();
    return {
      intervalMs: plainLineMs,
      show: (view) => terminal.write(`${[...eventsAfter(view), plainLineOf(view)].join("\n")}\n`),
      close: () => undefined,
    };
  }
  const screen = new Screen(terminal, preamble);
  return {
    intervalMs: drawMs,
    show: (view) => screen.draw(viewLinesOf(view, screen.room())),
    close: () => screen.close(),
  };
}

/** Gives each event of the views as a line, once. */
function eventLines(): (view: DemoView) => readonly string[] {
  let last: DemoEvent | undefined;
  return ({ events }) => {
    const fresh = events.slice(last === undefined ? 0 : events.indexOf(last) + 1);
    last = events.at(-1);
    return fresh.map(({ seconds, text }) => `${minutesOf(seconds)}   ${text}`);
  };
}

/** A block of lines that is redrawn in place, under a preamble that stays. */
export class Screen {
  readonly #terminal: Terminal;
  readonly #preamble: readonly string[];
  readonly #unlisten: () => void;
  #linesDrawn = 0;
  /** True after a resize: the lines are broken for another width, so the next drawing clears the screen. */
  #isStale = false;

  constructor(terminal: Terminal, preamble: readonly string[]) {
    this.#terminal = terminal;
    this.#preamble = preamble;
    this.#unlisten = terminal.onResize(() => {
      this.#isStale = true;
    });
    terminal.write(hideCursor + this.#preambleText());
  }

  /** Space of the terminal for the lines, under the preamble if that leaves enough. */
  room(): ViewSize {
    const { rows, columns } = this.#terminal.size();
    const preambleRows = this.#preamble.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)),
      0,
    );
    // The cursor stays on a row of its own.
    const left = rows - 1 - preambleRows;
    return { columns, rows: left < drawnRowsMin ? rows - 1 : left };
  }

  draw(lines: readonly Line[]): void {
    const { rows, columns } = this.#terminal.size();
    // A line more than the terminal has would scroll, and the next drawing begin too low.
    const shown = lines.slice(0, Math.max(1, rows - 1));
    const start = this.#isStale ? clearScreen + this.#preambleText() : upBy(this.#linesDrawn);
    const text = shown.map((line) => `${this.#painted(clipped(line, columns))}${clearLineEnd}\n`);
    this.#terminal.write(start + text.join("") + clearBelow);
    this.#linesDrawn = shown.length;
    this.#isStale = false;
  }

  /** Leaves the last drawing where it is and the cursor below it. */
  close(): void {
    this.#unlisten();
    this.#terminal.write(showCursor);
  }

  #preambleText(): string {
    return this.#preamble.map((line) => `${line}\n`).join("");
  }

  #painted(line: Line): string {
    if (!this.#terminal.hasColours) return plainTextOf(line);
    return line
      .map(({ text, tone }) =>
        codes[tone] === "" ? text : `${escape}${codes[tone]}m${text}${escape}0m`,
      )
      .join("");
  }
}

function upBy(lines: number): string {
  return lines === 0 ? "" : `${escape}${lines}A\r`;
}

/** The part of a line that fits into `columns`; every character of ours takes one. */
function clipped(line: Line, columns: number): Line {
  const kept: Segment[] = [];
  let room = columns;
  for (const { text, tone } of line) {
    if (room <= 0) break;
    kept.push(toned(text.slice(0, room), tone));
    room -= text.length;
  }
  return kept;
}
