import { describe, expect, it } from "vitest";
import { nextTurn, StoppedClock } from "#test/support/stopped-clock.ts";
import { EventLoopTurn } from "./event-loop-turn.ts";
import { TurnQueue } from "./turn-queue.ts";

/** A queue whose items take as many milliseconds as they say. */
function aQueue() {
  const clock = new StoppedClock();
  const turn = new EventLoopTurn(clock);
  const handled: number[] = [];
  const queue = new TurnQueue<number>(turn, (ms) => {
    clock.pass(ms);
    handled.push(ms);
  });
  return { queue, turn, clock, handled };
}

describe("a queue of work for turns of the event loop", () => {
  it("handles an item at once while the turn has time", () => {
    const { queue, handled } = aQueue();
    queue.add(2);
    queue.add(2.5);
    expect(handled).toEqual([2, 2.5]);
  });

  it("handles the rest in the next turns, in order", async () => {
    const { queue, handled } = aQueue();
    for (const ms of [4, 3, 2, 4, 1, 6, 0]) queue.add(ms);
    expect(handled).toEqual([4, 3]);
    await nextTurn();
    expect(handled).toEqual([4, 3, 2, 4]);
    queue.add(9);
    await nextTurn();
    expect(handled).toEqual([4, 3, 2, 4, 1, 6]);
    await nextTurn();
    await nextTurn();
    expect(handled).toEqual([4, 3, 2, 4, 1, 6, 0, 9]);
  });

  it("waits if other work has used the turn", async () => {
    const { queue, turn, clock, handled } = aQueue();
    turn.begin();
    clock.pass(5);
    queue.add(1);
    expect(handled).toEqual([]);
    await nextTurn();
    expect(handled).toEqual([1]);
  });

  it("takes what an item adds after all others", async () => {
    const clock = new StoppedClock();
    const handled: string[] = [];
    const queue = new TurnQueue<string>(new EventLoopTurn(clock), (item) => {
      handled.push(item);
      if (item === "first") queue.add("added");
    });
    queue.add("first");
    queue.add("second");
    await nextTurn();
    expect(handled).toEqual(["first", "added", "second"]);
  });

  it("forgets what was not handled when it is cleared, and goes on with what comes then", async () => {
    const { queue, handled } = aQueue();
    for (const ms of [6, 1, 2]) queue.add(ms);
    queue.clear();
    await nextTurn();
    queue.add(3);
    await nextTurn();
    expect(handled).toEqual([6, 3]);
  });
});
