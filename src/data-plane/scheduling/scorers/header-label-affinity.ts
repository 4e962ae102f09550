import { z } from "zod";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import { recalled } from "../../../core/recalls.ts";
import { headerNameParam } from "../shared/header-name-param.ts";

const params = z.strictObject({
  headerName: headerNameParam.min(1).meta({
    description: "Request header with the value to match.",
  }),
  labelKey: z.string().min(1).meta({ description: "Endpoint label that is compared with it." }),
});

/** Scores 1 for endpoints whose label equals the request's header, and 0 for all others. */
export const headerLabelAffinityScorer = scorerPlugin({
  type: "header-label-affinity-scorer",
  summary:
    "Scores 1 if the endpoint's label equals the request's header, otherwise 0; all score 0 if the header is missing or empty. It is a preference, not a rule: if no endpoint has the label, the other scorers decide. One plugin per header, such as a preferred zone or tenant.",
  params,
  create: ({ headerName, labelKey }, { name }) => ({
    score: (context, candidates, scores) => {
      const { endpoints, recalls } = context;
      const wanted = recalled(context, name, () => {
        const value = context.request.head.headers.get(headerName);
        // A record keeps only a value that some endpoint has.
        const isKept =
          recalls === undefined || endpoints.some((each) => each.labels[labelKey] === value);
        return isKept ? value : undefined;
      });
      for (const [index, { labels }] of candidates.entries()) {
        scores[index] =
          wanted !== undefined && wanted !== "" && labels[labelKey] === wanted ? 1 : 0;
      }
    },
  }),
});
