import { beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { Access, type AccessVerdict } from "./access.ts";

const unavailable: AccessVerdict = { kind: "unavailable", advice: "do this", reason: "a 403" };

let clock: FakeClock;
let verdict: AccessVerdict;
let asked: string[];
let said: string[];
let access: Access;

beforeEach(() => {
  clock = new FakeClock();
  verdict = { kind: "allowed" };
  asked = [];
  said = [];
  const log = {
    info: (_: object, message: string) => void said.push(message),
    warn: (fields: object, message: string) =>
      void said.push(`${message}: ${JSON.stringify(fields)}`),
  };
  const review = (token: string, path: string) => {
    asked.push(`${token} ${path}`);
    return Promise.resolve(verdict);
  };
  access = new Access({ review, clock, log });
});

async function statusOf(authorization: string | undefined, path = "/metrics"): Promise<number> {
  const refusal = await access.refusal(path, authorization);
  return refusal?.httpStatus ?? 200;
}

describe("access to the admin port", () => {
  it.each(["/healthz", "/readyz"])("is open to everybody for %s", async (path) => {
    verdict = { kind: "stranger" };
    expect(await statusOf(undefined, path)).toBe(200);
    expect(await statusOf("Bearer t", path)).toBe(200);
    expect(asked).toEqual([]);
  });

  it.each([undefined, "", "t", "Bearer", "Bearer ", "Basic dTpw", "Bearer a b"])(
    "is refused with 401 to %j, without a review",
    async (authorization) => {
      const refusal = await access.refusal("/debug/pool", authorization);
      expect(refusal).toMatchObject({
        httpStatus: 401,
        headers: { "www-authenticate": "Bearer" },
      });
      expect(asked).toEqual([]);
    },
  );

  it.each(["Bearer t", "bearer t", "BEARER  t "])("is given to %j", async (authorization) => {
    expect(await statusOf(authorization)).toBe(200);
    expect(asked).toEqual(["t /metrics"]);
  });

  it("is refused with 401 to a token that nobody has", async () => {
    verdict = { kind: "stranger" };
    const refusal = await access.refusal("/metrics", "Bearer t");
    expect(refusal).toMatchObject({ httpStatus: 401, headers: { "www-authenticate": "Bearer" } });
  });

  it("is refused with 403 to a caller who may not, by name", async () => {
    verdict = { kind: "denied", caller: "system:serviceaccount:monitoring:prometheus" };
    expect(await access.refusal("/metrics", "Bearer t")).toMatchObject({
      httpStatus: 403,
      body: "system:serviceaccount:monitoring:prometheus is not allowed to get /metrics\n",
    });
  });

  it("is refused with 503 and advice where nobody can say, which is logged once", async () => {
    verdict = unavailable;
    expect(await access.refusal("/metrics", "Bearer t")).toMatchObject({
      httpStatus: 503,
      body: "do this\n",
    });
    expect(await statusOf("Bearer u")).toBe(503);
    verdict = { kind: "allowed" };
    expect(await statusOf("Bearer t")).toBe(200);
    expect(await statusOf("Bearer u")).toBe(200);
    expect(said).toEqual([
      'access review failed: {"reason":"a 403","advice":"do this"}',
      "access review restored",
    ]);
    expect(asked).toHaveLength(4);
  });

  it("holds for a minute where it was given", async () => {
    await statusOf("Bearer t");
    verdict = { kind: "stranger" };
    await clock.advance(59_999);
    expect(await statusOf("Bearer t")).toBe(200);
    await clock.advance(1);
    expect(await statusOf("Bearer t")).toBe(401);
    expect(asked).toHaveLength(2);
  });

  it("stays refused for ten seconds", async () => {
    verdict = { kind: "denied", caller: "c" };
    await statusOf("Bearer t");
    verdict = { kind: "allowed" };
    await clock.advance(9_999);
    expect(await statusOf("Bearer t")).toBe(403);
    await clock.advance(1);
    expect(await statusOf("Bearer t")).toBe(200);
    expect(asked).toHaveLength(2);
  });

  it("is for one token and one path", async () => {
    await statusOf("Bearer t");
    await statusOf("Bearer u");
    await statusOf("Bearer t", "/debug/pool");
    expect(asked).toEqual(["t /metrics", "u /metrics", "t /debug/pool"]);
  });

  it("takes one review for requests that come together", async () => {
    const settles: ((verdict: AccessVerdict) => void)[] = [];
    const review = () => new Promise<AccessVerdict>((resolve) => settles.push(resolve));
    access = new Access({ review, clock, log: { info: () => {}, warn: () => {} } });
    const together = Promise.all(Array.from({ length: 20 }, () => statusOf("Bearer t")));
    settles[0]?.({ kind: "denied", caller: "c" });
    expect(await together).toEqual(Array.from({ length: 20 }, () => 403));
    expect(settles).toHaveLength(1);
  });

  it("asks for 16 callers at the same time, and turns others away until one is answered", async () => {
    const settles: ((verdict: AccessVerdict) => void)[] = [];
    const review = () => new Promise<AccessVerdict>((resolve) => settles.push(resolve));
    access = new Access({ review, clock, log: { info: () => {}, warn: () => {} } });
    const waiting = Array.from({ length: 16 }, (_, index) => statusOf(`Bearer ${index}`));
    expect(await statusOf("Bearer 16")).toBe(503);
    for (const settle of settles) settle({ kind: "allowed" });
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([200]));
    const next = statusOf("Bearer 16");
    settles.at(-1)?.({ kind: "allowed" });
    expect(await next).toBe(200);
  });

  it("forgets who was not seen for longest, beyond 1,000 callers", async () => {
    for (let caller = 0; caller < 1_000; caller += 1) await statusOf(`Bearer ${caller}`);
    await statusOf("Bearer 0");
    await statusOf("Bearer 1000");
    expect(asked).toHaveLength(1_001);
    await statusOf("Bearer 0");
    expect(asked).toHaveLength(1_001);
    await statusOf("Bearer 1");
    expect(asked).toHaveLength(1_002);
  });

  it("remembers good callers whatever number of strangers comes", async () => {
    await statusOf("Bearer good");
    verdict = { kind: "stranger" };
    for (let caller = 0; caller < 1_100; caller += 1) await statusOf(`Bearer ${caller}`);
    expect(await statusOf("Bearer good")).toBe(200);
  });

  it("asks again after a review that failed", async () => {
    let reviews = 0;
    const review = () => {
      reviews += 1;
      return Promise.reject(new Error("broken"));
    };
    access = new Access({ review, clock, log: { info: () => {}, warn: () => {} } });
    await expect(statusOf("Bearer t")).rejects.toThrow("broken");
    await expect(statusOf("Bearer t")).rejects.toThrow("broken");
    expect(reviews).toBe(2);
  });
});
