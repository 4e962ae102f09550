import { z } from "zod";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import { identityCharactersMax } from "../../../core/client-values.ts";
import { headerTable } from "../../../core/headers.ts";
import type { RequestHead } from "../../../core/request.ts";
import { headerNameParam } from "../shared/header-name-param.ts";

/** Headers of agents, in order of precedence. */
const agentHeaders = [
  headerTable.claudeCodeSession.name,
  headerTable.sessionAffinity.name,
  headerTable.plainSession.name,
  headerTable.plainSession.olderName,
];

/** Tells agents apart by the headers that they send. */
export const agentIdentity = dataPlanePlugin({
  type: "agent-identity",
  kinds: ["data-producer"],
  produces: "session-id",
  summary:
    "Reads the identity of an agent from the first of these headers that a request has: those of `additionalSessionHeaders`, `x-claude-code-session-id`, `x-session-affinity`, `session-id`, `session_id`. It is the fairness id of a request without a header of its own, and a session id for plugins that name it.",
  params: z.strictObject({
    additionalSessionHeaders: z
      .array(headerNameParam)
      .default([])
      .meta({ description: "Headers that are looked at first, in this order." }),
  }),
  create: ({ additionalSessionHeaders }) => {
    const names = [...additionalSessionHeaders, ...agentHeaders];
    const agentIdOf = ({ headers }: RequestHead) => {
      for (const name of names) {
        const id = headers.get(name);
        if (id !== undefined && id !== "") {
          return id.length > identityCharactersMax ? undefined : id;
        }
      }
      return undefined;
    };
    return { agentIdOf, producer: { produce: ({ request }) => agentIdOf(request.head) } };
  },
});
