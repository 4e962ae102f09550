import { beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { KubeError, type KubeObject } from "./kube-api.ts";
import { accountOf, reviewToken } from "./token-review.ts";

const prometheus = {
  username: "system:serviceaccount:monitoring:prometheus",
  uid: "u-1",
  groups: ["system:serviceaccounts", "system:authenticated"],
  extra: { "authentication.kubernetes.io/pod-name": ["prometheus-0"] },
};
const tokenReviews = "/apis/authentication.k8s.io/v1/tokenreviews";
const accessReviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

let clock: FakeClock;
let asked: { path: string; body: KubeObject }[];
/** Answer of the API server at a path: an object, or the error of a refusal. */
let answers: Record<string, KubeObject | Error>;
let ownAccount: string | undefined;

beforeEach(() => {
  clock = new FakeClock();
  asked = [];
  ownAccount = undefined;
  answers = {
    [tokenReviews]: { status: { authenticated: true, user: prometheus } },
    [accessReviews]: { status: { allowed: true } },
  };
});

function create(write: { path: string; body: KubeObject }): Promise<KubeObject> {
  asked.push(write);
  const answer = answers[write.path] ?? new Error("no such path");
  return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
}

/** Answers only when its request is aborted. */
function hang(_: unknown, signal?: AbortSignal): Promise<KubeObject> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason as KubeError));
  });
}

function review(path = "/metrics", api = { create }) {
  return reviewToken("t0ken", path, { api, clock, ownAccount: async () => ownAccount });
}

function tokenWith(claims: unknown): string {
  return `Bearer e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;
}

describe("a review of a token", () => {
  it("asks for the account of the token, then if that account may read the path", async () => {
    expect(await review("/debug/pool")).toEqual({ kind: "allowed" });
    expect(asked).toEqual([
      {
        path: tokenReviews,
        body: {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenReview",
          spec: { token: "t0ken" },
        },
      },
      {
        path: accessReviews,
        body: {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SubjectAccessReview",
          spec: {
            user: prometheus.username,
            uid: "u-1",
            groups: prometheus.groups,
            extra: prometheus.extra,
            nonResourceAttributes: { path: "/debug/pool", verb: "get" },
          },
        },
      },
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("passes on only the fields of the account that the API server returned", async () => {
    answers[tokenReviews] = { status: { authenticated: true, user: { username: "admin" } } };
    await review();
    expect(asked[1]?.body["spec"]).toEqual({
      user: "admin",
      nonResourceAttributes: { path: "/metrics", verb: "get" },
    });
  });

  it.each([
    { status: { authenticated: false } },
    { status: { user: {}, error: "invalid bearer token" } },
    { status: { authenticated: true, user: {} } },
    { status: {} },
    { status: { error: "expired" } },
    { status: { authenticated: true } },
  ])("answers `stranger` on %j", async (answer) => {
    answers[tokenReviews] = answer;
    expect(await review()).toEqual({ kind: "stranger" });
    expect(asked).toHaveLength(1);
  });

  it.each([{ status: { allowed: false } }, { status: {} }, { status: { denied: true } }])(
    "denies on %j",
    async (answer) => {
      answers[accessReviews] = answer;
      expect(await review()).toEqual({ kind: "denied", caller: prometheus.username });
    },
  );

  it("allows our own account on its token alone", async () => {
    ownAccount = prometheus.username;
    answers[accessReviews] = { status: { allowed: false } };
    expect(await review()).toEqual({ kind: "allowed" });
    expect(asked).toHaveLength(1);
  });

  it("does not accept another account as our own", async () => {
    ownAccount = prometheus.username;
    answers[tokenReviews] = { status: { authenticated: false, user: prometheus } };
    expect(await review()).toEqual({ kind: "stranger" });
  });

  it.each([tokenReviews, accessReviews])("names the missing right for %s", async (path) => {
    answers[path] = new KubeError(403, "Forbidden", "the picker cannot create it");
    const verdict = await review();
    expect(verdict).toMatchObject({ kind: "unavailable", reason: "the picker cannot create it" });
    expect(verdict).toHaveProperty("advice", expect.stringMatching(/ClusterRole.*tokenreviews/));
    expect(verdict).toHaveProperty(
      "advice",
      expect.stringMatching(/--metrics-endpoint-auth=false/),
    );
  });

  it.each([
    new KubeError(0, "", "connection refused"),
    new KubeError(401, "Unauthorized", "Unauthorized"),
    new KubeError(500, "InternalError", "etcd is away"),
  ])("returns no verdict for %s", async (cause) => {
    answers[tokenReviews] = cause;
    expect(await review()).toEqual({
      kind: "unavailable",
      reason: cause.message,
      advice: "the API server cannot authorize this request now; try again",
    });
  });

  it("returns no verdict if the answer is no review", async () => {
    answers[tokenReviews] = {};
    expect(await review()).toMatchObject({ kind: "unavailable" });
  });

  it("gives up after five seconds", async () => {
    const verdict = review("/metrics", { create: hang });
    await clock.advance(5_000);
    expect(await verdict).toMatchObject({ kind: "unavailable", reason: "no answer within 5 s" });
  });
});

describe("the account of a token", () => {
  it("is its subject", () => {
    const sub = "system:serviceaccount:models:épp";
    expect(accountOf(tokenWith({ iss: "x", sub }))).toBe(sub);
  });

  it.each([undefined, "", "Basic dTpw", "Bearer opaque", "Bearer a.%%.c", tokenWith({ sub: 7 })])(
    "is undefined for %j",
    (authorization) => {
      expect(accountOf(authorization)).toBeUndefined();
    },
  );
});
