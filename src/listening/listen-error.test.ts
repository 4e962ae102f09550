import { describe, expect, it } from "vitest";
import { listenError } from "./listen-error.ts";

describe("an error of listening", () => {
  it.each([
    ["listen EADDRINUSE: address already in use 127.0.0.1:1", "the port is in use"],
    ["errors: [listen EACCES: permission denied 127.0.0.1:1]", "permission denied"],
    ["listen EADDRNOTAVAIL: address not available", "this machine does not have the address"],
    ["something else", "something else"],
  ])("says for %j: %s", (message, reason) => {
    const cause = new Error(message);
    const error = listenError("127.0.0.1:1", cause);
    expect(error.message).toBe(`cannot listen on 127.0.0.1:1: ${reason}`);
    expect(error.cause).toBe(cause);
  });
});
