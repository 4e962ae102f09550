import { z } from "zod";
import type { Clock } from "../../std/clock.ts";
import { reasonOf } from "../../std/reason-of.ts";
import { type KubeApi, KubeError, type KubeObject } from "./kube-api.ts";

/** Verdict of the API server on a token and a path. */
export type TokenVerdict =
  | { readonly kind: "allowed" }
  | { readonly kind: "stranger" }
  | { readonly kind: "denied"; readonly caller: string }
  | { readonly kind: "unavailable"; readonly advice: string; readonly reason: string };

export interface TokenReviewDeps {
  readonly api: Pick<KubeApi, "create">;
  readonly clock: Clock;
  /** The picker's own account; undefined if it is not known. */
  readonly ownAccount: () => Promise<string | undefined>;
}

/** Limit for both calls together; Prometheus waits for 10 s. */
const reviewMsMax = 5_000;

/** Empty for an invalid token. */
const userSchema = z.object({
  username: z.string().default(""),
  uid: z.string().nullish(),
  groups: z.array(z.string()).nullish(),
  extra: z.record(z.string(), z.array(z.string())).nullish(),
});

const tokenReviewSchema = z.object({
  status: z.object({ authenticated: z.boolean().nullish(), user: userSchema.nullish() }),
});

const accessReviewSchema = z.object({ status: z.object({ allowed: z.boolean().nullish() }) });

/**
 * Asks the API server for the account of a token (TokenReview), and if that account may `get` a
 * path (SubjectAccessReview). The picker's own account may: a holder of its token can read
 * everything anyway.
 */
export async function reviewToken(
  token: string,
  path: string,
  { api, clock, ownAccount }: TokenReviewDeps,
): Promise<TokenVerdict> {
  const limit = new AbortController();
  const cancel = clock.after(reviewMsMax, () =>
    limit.abort(new KubeError(0, "", `no answer within ${reviewMsMax / 1_000} s`)),
  );
  try {
    const asked = await api.create(tokenReview(token), limit.signal);
    const { authenticated, user } = tokenReviewSchema.parse(asked).status;
    if (authenticated !== true || user == null || user.username === "") return { kind: "stranger" };
    if (user.username === (await ownAccount())) return { kind: "allowed" };
    const answer = await api.create(accessReview(user, path), limit.signal);
    const { allowed } = accessReviewSchema.parse(answer).status;
    return allowed === true ? { kind: "allowed" } : { kind: "denied", caller: user.username };
  } catch (cause) {
    return unavailable(cause);
  } finally {
    cancel();
  }
}

/** The account of a ServiceAccount token, from its `sub`; undefined for other tokens. */
export function accountOf(authorization = ""): string | undefined {
  const claims = /^Bearer [^.]+\.([^.]+)\./i.exec(authorization)?.[1] ?? "";
  try {
    const parsed: unknown = JSON.parse(Buffer.from(claims, "base64url").toString("utf8"));
    return z.object({ sub: z.string() }).parse(parsed).sub;
  } catch {
    return undefined;
  }
}

interface Review {
  readonly path: string;
  readonly body: KubeObject;
}

function tokenReview(token: string): Review {
  return {
    path: "/apis/authentication.k8s.io/v1/tokenreviews",
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token } },
  };
}

function accessReview(user: z.infer<typeof userSchema>, path: string): Review {
  const { username, uid, groups, extra } = user;
  return {
    path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    body: {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: {
        user: username,
        ...(uid == null ? {} : { uid }),
        ...(groups == null ? {} : { groups }),
        ...(extra == null ? {} : { extra }),
        nonResourceAttributes: { path, verb: "get" },
      },
    },
  };
}

function unavailable(cause: unknown): TokenVerdict {
  const reason = reasonOf(cause);
  const isRefused = cause instanceof KubeError && cause.httpStatus === 403;
  return {
    kind: "unavailable",
    reason,
    advice: isRefused
      ? "this picker may not review tokens: its ServiceAccount needs a ClusterRole with create on tokenreviews (authentication.k8s.io) and subjectaccessreviews (authorization.k8s.io); --metrics-endpoint-auth=false makes this page public"
      : "the API server cannot authorize this request now; try again",
  };
}
