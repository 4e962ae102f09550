import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import {
  sessionAffinity,
  sessionAffinityNeeds,
  sessionAffinityParams,
} from "../shared/session-affinity.ts";

/** Keeps only the endpoint that the request's session is pinned to, if it is a candidate. */
export const sessionAffinityFilter = dataPlanePlugin({
  type: "session-affinity-filter",
  kinds: ["filter"],
  summary:
    "Keeps only the endpoint that served the request's session before. Keeps all if there is none or it is not a candidate. By default the response carries a token that names the endpoint (`x-session-token`) and the client sends it back; with the strategy `session_id` this picker remembers the endpoint of each id that clients send (`x-session-id`), up to 100,000 of them. For state that only one endpoint has. For a warm cache, prefer `session-affinity-scorer`, which can yield under load.",
  params: sessionAffinityParams,
  needs: sessionAffinityNeeds,
  create: (params, deps) => {
    const { pinnedId, hooks } = sessionAffinity(params, deps);
    return {
      filter: {
        filter: (context, candidates) => {
          const pinned = pinnedId(context);
          if (pinned === undefined) return candidates;
          const endpoint = candidates.find(({ id }) => id === pinned);
          return endpoint === undefined ? candidates : [endpoint];
        },
      },
      hooks,
    };
  },
});
