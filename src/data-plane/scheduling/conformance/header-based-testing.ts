import { z } from "zod";
import { filterPlugin } from "../../../core/data-plane-plugin.ts";
import { recalled } from "../../../core/recalls.ts";
import { endpointsInSubset } from "../shared/subset.ts";

const selectionHeader = "test-epp-endpoint-selection";

/** Keeps the endpoints that the client names, for the conformance suite of the Gateway API. */
export const headerBasedTestingFilter = filterPlugin({
  type: "header-based-testing-filter",
  summary:
    "For tests only. Keeps the endpoints named in the request header `test-epp-endpoint-selection`, a comma-separated list of `ip` or `ip:port` (IPv6 with or without brackets). A request without the header keeps all; if nothing matches, the request is refused. Requires `--enable-conformance-plugins`, since it lets clients pick their endpoint.",
  // The peer never reads this filter's parameters.
  params: z.record(z.string(), z.unknown()),
  create: (_params, { name }) => ({
    filter: (context, candidates) => {
      const header = recalled(context, name, () =>
        context.request.head.headers.get(selectionHeader)?.trim(),
      );
      if (header === undefined || header === "") return candidates;
      return endpointsInSubset(
        candidates,
        header.split(",").map((entry) => entry.trim()),
      );
    },
  }),
});
