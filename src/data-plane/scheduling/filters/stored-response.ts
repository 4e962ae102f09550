import { z } from "zod";
import { filterPlugin } from "../../../core/data-plane-plugin.ts";

/** Keeps only the endpoint that stores the response or conversation that the request names. */
export const storedResponseFilter = filterPlugin({
  type: "stored-response-filter",
  isOwn: true,
  summary:
    "Keeps only the endpoint that stores the response or conversation named in the request (`previous_response_id`, `conversation`, or an id in the path), because other engines do not have it. If that endpoint is unknown or is not a candidate, all candidates are kept. The endpoint is known from the answer that contained the id, and only for the sender who received it.",
  params: z.strictObject({
    homeProducer: z.string().min(1).optional().meta({
      description: "Producer of session homes; default `session-home-producer`.",
    }),
  }),
  needs: ({ homeProducer }) => [
    { kind: "data", data: "session-home", producer: homeProducer, path: ["homeProducer"] },
  ],
  create: ({ homeProducer }, deps) => {
    const homeOf = deps.reader("session-home", homeProducer);
    return {
      filter: (context, candidates) => {
        const home = homeOf(context);
        if (home?.isStored !== true) return candidates;
        const endpoint = candidates.find(({ slot }) => slot === home.slot);
        return endpoint === undefined ? candidates : [endpoint];
      },
    };
  },
});
