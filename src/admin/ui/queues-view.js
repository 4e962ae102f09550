/** @import { LivePage } from "../live-page.ts" */
/** @import { Column } from "./table.js" */
import { duration, number, percent, size, whole } from "./format.js";
import { html, nothing } from "./lit/lit-html.js";
import { plainTable, tile } from "./table.js";

/** @typedef {Extract<LivePage["queues"], { enabled: true }>} Queue */
/** @typedef {Queue["bands"][number]} Band */

/** @param {number | null} limit */
function atMost(limit, shown = whole) {
  return limit === null ? "no limit" : `${shown(limit)} at most`;
}

/** @type {readonly Column<Band>[]} */
const bandColumns = [
  { title: "Priority", cell: ({ priority }) => number(priority) },
  {
    title: "Waiting",
    isNumber: true,
    cell: ({ waitingRequests, limits }) =>
      html`${whole(waitingRequests)}<small>${atMost(limits.requests)}</small>`,
  },
  {
    title: "Held",
    isNumber: true,
    cell: ({ heldBytes, limits }) =>
      html`${size(heldBytes)}<small>${atMost(limits.bytes, size)}</small>`,
  },
  {
    title: "Without an endpoint",
    hint: "Requests that no endpoint can take now",
    isNumber: true,
    cell: ({ withoutEndpoint }) => whole(withoutEndpoint),
  },
  {
    title: "Longest wait allowed",
    isNumber: true,
    cell: ({ limits }) => (limits.ttlMs === null ? "no limit" : duration(limits.ttlMs)),
  },
  { title: "Fairness", cell: ({ fairnessPolicy }) => fairnessPolicy },
  { title: "Order", cell: ({ orderingPolicy }) => orderingPolicy },
  { title: "Flows", isNumber: true, cell: ({ flowCount }) => whole(flowCount) },
];

/** @type {readonly Column<Band["flows"][number] & { priority: number }>[]} */
const flowColumns = [
  { title: "Flow", cell: ({ fairnessId }) => html`<code>${fairnessId}</code>` },
  { title: "Priority", isNumber: true, cell: ({ priority }) => number(priority) },
  { title: "Waiting", isNumber: true, cell: ({ waiting }) => whole(waiting) },
  { title: "Oldest", isNumber: true, cell: ({ oldestMs }) => duration(oldestMs) },
];

/** @param {LivePage} page */
export function queuesView({ queues }) {
  if (!queues.enabled) {
    return html`<p class="empty">
      Flow control is off: requests are sent as they come.
      <code>featureGates: [flowControl]</code> turns it on.
    </p>`;
  }
  const flows = queues.bands.flatMap(({ priority, flows: listed }) =>
    listed.map((flow) => ({ ...flow, priority })),
  );
  const { saturation } = queues;
  return html`
    <dl class="tiles">
      ${tile("Waiting", whole(queues.waitingRequests), atMost(queues.limits.requests))}
      ${tile("Held", size(queues.heldBytes), atMost(queues.limits.bytes, size))}
      ${tile("Saturation", percent(saturation.effective), `prefill ${percent(saturation.prefill)}, decode ${percent(saturation.decode)}`)}
      ${tile("Usage limit", queues.usageLimitPolicy)}
    </dl>
    ${
      queues.bands.length === 0
        ? html`<p class="empty">No request has waited yet.</p>`
        : plainTable("Priorities", bandColumns, queues.bands)
    }
    ${flows.length === 0 ? nothing : plainTable("Longest flows", flowColumns, flows)}
  `;
}
