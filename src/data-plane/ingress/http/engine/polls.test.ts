import { expect, it } from "vitest";
import { Polls } from "./polls.ts";

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

it("a poll is over once the event loop has polled, and the next one a turn later", async () => {
  const polls = new Polls();
  const told: string[] = [];
  polls.wait({ polled: () => told.push("next") }, true);
  polls.wait({ polled: () => told.push("this") }, false);
  const number = polls.current();
  expect(told).toEqual([]);
  await turn();
  expect(told).toEqual(["this"]);
  expect(polls.current()).toBe(number + 1);
  await turn();
  expect(told).toEqual(["this", "next"]);
});

it("a waiter may wait again", async () => {
  const polls = new Polls();
  let polled = 0;
  const waiter = {
    polled: () => {
      polled += 1;
      if (polled < 3) polls.wait(waiter, false);
    },
  };
  polls.wait(waiter, false);
  await turn();
  expect(polled).toBe(1);
  await turn();
  await turn();
  expect(polled).toBe(3);
});

it("waiters settle once all of their poll have been told of it", async () => {
  const polls = new Polls();
  const told: string[] = [];
  const waiter = (name: string) => ({
    polled: () => void told.push(`${name} polled`),
    settled: () => void told.push(`${name} settled`),
  });
  polls.wait(waiter("first"), false);
  polls.wait({ polled: () => void told.push("request polled") }, false);
  polls.wait(waiter("second"), false);
  polls.wait(waiter("later"), true);
  await turn();
  expect(told).toEqual([
    "first polled",
    "request polled",
    "second polled",
    "first settled",
    "second settled",
  ]);
});
