import { z } from "zod";
import { headerTable } from "../../../core/headers.ts";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";

const resultHeader = headerTable.conformanceServed.name;
/** The header's value in the suite's own endpoint picker. */
const missing = "fail: missing destination endpoint served metadata";

/** Sends the client the address of the endpoint that served, for the conformance suite of the Gateway API. */
export const destinationEndpointServedVerifier = dataPlanePlugin({
  type: "destination-endpoint-served-verifier",
  kinds: ["response-handler"],
  summary:
    "For tests only. Sets the response header `x-conformance-test-served-endpoint` to the endpoint that served the request according to the gateway, or to `fail: missing destination endpoint served metadata` if the gateway does not report it. Requires `--enable-conformance-plugins`, since it shows addresses of the pool to clients.",
  // The peer never reads this plugin's parameters.
  params: z.record(z.string(), z.unknown()),
  create: () => ({
    hooks: {
      sent: () => ({
        responseHeaders: ({ servedBy }) => [[resultHeader, servedBy ?? missing]],
      }),
    },
  }),
});
