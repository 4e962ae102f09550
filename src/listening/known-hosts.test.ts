import { describe, expect, it } from "vitest";
import { KnownHosts } from "./known-hosts.ts";

describe("the hosts of a server of this machine", () => {
  const hosts = new KnownHosts(["llm.corp.example"], "laptop.corp.example");

  it.each([
    "",
    "127.0.0.1",
    "127.0.0.1:8080",
    "10.1.2.3:80",
    "[::1]:8080",
    "[fd00::1]",
    "localhost:8080",
    "LOCALHOST.",
    "app.localhost",
    "gpu1",
    "laptop.corp.example:8080",
    "printer.local",
    "host.docker.internal:8080",
    "LLM.corp.example:443",
  ])("include %j", (authority) => {
    expect(hosts.knows(authority)).toBe(true);
  });

  it.each([
    "evil.example",
    "evil.example:8080",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example.",
    "127.0.0.1.nip.io:8080",
    "a.llm.corp.example",
    "local.evil",
    "[::1].evil.example",
  ])("do not include %j", (authority) => {
    expect(hosts.knows(authority)).toBe(false);
  });

  it("are all hosts with *", () => {
    expect(new KnownHosts(["*"]).knows("evil.example")).toBe(true);
  });
});
