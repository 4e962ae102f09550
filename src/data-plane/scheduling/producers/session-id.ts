import { z } from "zod";
import { identityCharactersMax } from "../../../core/client-values.ts";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";

const params = z
  .strictObject({
    headerName: z.string().min(1).optional().meta({ description: "Header with the session id." }),
    cookieName: z.string().min(1).optional().meta({ description: "Cookie with the session id." }),
  })
  .refine(
    ({ headerName, cookieName }) => (headerName === undefined) !== (cookieName === undefined),
    "want exactly one of headerName and cookieName",
  );

/** Reads the session id of a request. */
export const sessionIdProducer = dataPlanePlugin({
  type: "session-id-producer",
  kinds: ["data-producer"],
  produces: "session-id",
  summary:
    "Reads the session id of a request from a header or a cookie, for session affinity by `attribute`. Set exactly one of its two parameters.",
  params,
  create: ({ headerName, cookieName }) => ({
    producer: {
      produce: ({ request: { head } }) => {
        const session =
          headerName === undefined
            ? cookieIn(head.headers.get("cookie"), cookieName ?? "")
            : head.headers.get(headerName.toLowerCase());
        return session === undefined || session === "" || session.length > identityCharactersMax
          ? undefined
          : session;
      },
    },
  }),
});

/** The value of a cookie (RFC 6265, 5.2), without quotes around it. */
function cookieIn(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(";") ?? []) {
    const at = pair.indexOf("=");
    if (at !== -1 && pair.slice(0, at).trim() === name) {
      return pair
        .slice(at + 1)
        .trim()
        .replace(/^"(.*)"$/, "$1");
    }
  }
  return undefined;
}
