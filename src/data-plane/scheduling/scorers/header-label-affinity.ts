import { z } from "zod";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { headerNameParam } from "../shared/header-name-param.ts";

const params = z.strictObject({
  headerName: headerNameParam.min(1).meta({
    description: "Header of the request with the value that is looked for.",
  }),
  labelKey: z.string().min(1).meta({ description: "Label of endpoints that is compared with it." }),
});

/** Scores 1 the endpoints whose label equals the request's header, and 0 every other. */
export const headerLabelAffinityScorer = scorerPlugin({
  type: "header-label-affinity-scorer",
  summary:
    "Scores 1 the endpoints whose label has exactly the value of the request's header and 0 every other; all score 0 where the header is missing or empty. It is a wish, not a rule: where nobody has the label, the other scorers decide. One plugin per header, such as a preferred zone or tenant.",
  params,
  create: ({ headerName, labelKey }) => ({
    score: ({ request }, candidates, scores) => {
      const wanted = request.head.headers.get(headerName) ?? "";
      for (const [index, { labels }] of candidates.entries()) {
        scores[index] = wanted !== "" && labels[labelKey] === wanted ? 1 : 0;
      }
    },
  }),
});
