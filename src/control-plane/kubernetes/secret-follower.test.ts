import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { FakeKubeApi } from "#test/support/fake-kube-api.ts";
import type { SecretRef } from "../../core/secrets.ts";
import { seededRandom } from "../../std/random.ts";
import { KubeError } from "./kube-api.ts";
import { SecretFollower } from "./secret-follower.ts";

const ended: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(ended.splice(0).map((end) => end()));
});

const aSecret = (data: Readonly<Record<string, string>>, resourceVersion = "1") => ({
  metadata: { namespace: "n", name: "s", uid: "u", resourceVersion },
  data: Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
  ),
});

function following(refs: readonly SecretRef[], api = new FakeKubeApi()) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = {
    info: (fields: object, message: string) => lines.push(message + JSON.stringify(fields)),
    warn: (fields: object, message: string) => lines.push(message + JSON.stringify(fields)),
  };
  const follower = new SecretFollower({ api, clock, random: seededRandom(1), log, namespace: "n" });
  const told: Readonly<Record<string, string>>[] = [];
  const follow = (which: readonly SecretRef[]) =>
    follower.follow(which, (values) => told.push(Object.fromEntries(values)));
  const stop = new AbortController();
  const running = follower.run(stop.signal);
  ended.push(() => {
    stop.abort();
    return running;
  });
  follow(refs);
  return { api, follower, follow, told, lines, turns: () => clock.advance(0) };
}

const ref = { namespace: undefined, name: "s", key: "token" };

describe("values of Secrets", () => {
  it("are reported when they are known and whenever they change, and appear in no log line", async () => {
    const api = new FakeKubeApi();
    api.items = [aSecret({ token: "one", other: "x" })];
    const { told, lines, turns } = following([ref], api);
    await turns();
    expect(told.at(-1)).toEqual({ "/s/token": "one" });
    api.watches.at(-1)?.push("MODIFIED", aSecret({ token: "two" }, "2"));
    await turns();
    expect(told.at(-1)).toEqual({ "/s/token": "two" });
    api.watches.at(-1)?.push("MODIFIED", aSecret({ other: "x" }, "3"));
    await turns();
    expect(told.at(-1)).toEqual({});
    expect(lines.join("\n")).not.toMatch(/one|two/);
  });

  it("are read by the Secret's name alone, once for several keys", async () => {
    const api = new FakeKubeApi();
    api.items = [aSecret({ token: "one", other: "x" })];
    const { follower, told, turns } = following([ref, { ...ref, key: "other" }], api);
    await turns();
    expect(told.at(-1)).toEqual({ "/s/token": "one", "/s/other": "x" });
    expect(follower.follows).toEqual([
      expect.objectContaining({ what: "Secret n/s", resource: "secrets", state: "synced" }),
    ]);
    expect(api.watches.at(-1)?.query).toMatchObject({ fieldSelector: "metadata.name=s" });
  });

  it("are unknown if they may not be read, and the status shows it", async () => {
    const api = new FakeKubeApi();
    api.items = new KubeError(403, "Forbidden", "no");
    const { follower, turns } = following([ref], api);
    await turns();
    expect(follower.follows).toEqual([expect.objectContaining({ state: "forbidden" })]);
  });

  it("are no longer followed once others are, or none", async () => {
    const { api, follow, follower, turns } = following([ref]);
    await turns();
    follow([]);
    await turns();
    expect(follower.follows).toEqual([]);
    expect(api.watches).toHaveLength(1);
  });
});
