import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import {
  sessionAffinity,
  sessionAffinityNeeds,
  sessionAffinityParams,
} from "../shared/session-affinity.ts";

/** Scores 1 for the endpoint that the request's session is pinned to, and 0 for all others. */
export const sessionAffinityScorer = dataPlanePlugin({
  type: "session-affinity-scorer",
  kinds: ["scorer"],
  summary:
    "Scores 1 for the endpoint that served the request's session before and 0 for all others, so that a conversation returns to its cache without matching prompts. By default the response carries a token that names the endpoint (`x-session-token`) and the client sends it back; with the strategy `session_id` this picker remembers the endpoint of each id that clients send (`x-session-id`), up to 100,000 of them. Its weight sets how much load outweighs affinity; for strict affinity use `session-affinity-filter`.",
  params: sessionAffinityParams,
  needs: sessionAffinityNeeds,
  create: (params, deps) => {
    const { pinnedId, hooks } = sessionAffinity(params, deps);
    return {
      scorer: {
        score: (context, candidates, scores) => {
          const pinned = pinnedId(context);
          for (const [index, { id }] of candidates.entries()) scores[index] = id === pinned ? 1 : 0;
        },
      },
      hooks,
    };
  },
});
