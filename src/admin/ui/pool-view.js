/** @import { LiveEndpoint, LivePage } from "../live-page.ts" */
/** @import { Column } from "./table.js" */
/** @import { Sort } from "./rows.js" */
import { findingsOf, hitRatioOf, ttftMsOf } from "./attention.js";
import { counted, duration, isKnown, number, percent, whole } from "./format.js";
import { html, nothing } from "./lit/lit-html.js";
import { pageOf, pageRows, searched, sorted } from "./rows.js";
import { bar, plainTable, rowOf, table, tile } from "./table.js";

/**
 * @typedef {object} PoolChoice
 * @property {Sort} sort
 * @property {string} search
 * @property {boolean} isTroubleOnly
 * @property {number} pageIndex
 */

/** @type {PoolChoice} */
export const initialChoice = {
  sort: { key: "Standing", isDescending: false },
  search: "",
  isTroubleOnly: false,
  pageIndex: 0,
};

const severities = ["bad", "warn", "good"];

/** @param {LiveEndpoint} endpoint */
function severityOf({ phase, scrapeState, signalsTrust, takesRequests, missingSignals }) {
  if (phase === "ejected" || (scrapeState === "failing" && takesRequests)) return "bad";
  const isStale = scrapeState === "read" && signalsTrust < 0.99;
  return phase !== "ready" || isStale || missingSignals.length > 0 ? "warn" : "good";
}

/** @type {readonly Column<LiveEndpoint>[]} */
const columns = [
  {
    title: "Endpoint",
    sortBy: ({ id }) => id,
    cell: ({ id, address }) => html`<span class="name">${id}</span><small>${address}</small>`,
  },
  {
    title: "Standing",
    hint: "Its part in decisions, and why",
    sortBy: (endpoint) => severities.indexOf(severityOf(endpoint)),
    cell: standing,
  },
  { title: "Engine", sortBy: ({ engine }) => engine, cell: ({ engine }) => engine ?? "–" },
  {
    title: "Waiting",
    hint: "Requests in the engine's queue, as it reports them",
    isNumber: true,
    sortBy: ({ waitingRequests }) => waitingRequests,
    cell: ({ waitingRequests }) => number(waitingRequests),
  },
  {
    title: "Running",
    hint: "Requests in the engine's batch, as it reports them",
    isNumber: true,
    sortBy: ({ runningRequests }) => runningRequests,
    cell: ({ runningRequests }) => number(runningRequests),
  },
  {
    title: "KV cache",
    hint: "Share of the engine's KV cache in use",
    isNumber: true,
    sortBy: ({ kvCacheUsedRatio }) => kvCacheUsedRatio,
    cell: ({ kvCacheUsedRatio: ratio }) => (isKnown(ratio) ? bar(ratio, percent(ratio)) : "–"),
  },
  {
    title: "In flight",
    hint: "Requests from this picker that have not ended, and their prompt tokens",
    isNumber: true,
    sortBy: ({ inFlightRequests }) => inFlightRequests,
    cell: ({ inFlightRequests, inFlightTokens }) =>
      html`${whole(inFlightRequests)}<small>${whole(inFlightTokens)} tokens</small>`,
  },
  {
    title: "Hits",
    hint: "Share of prompt tokens that came from the prefix cache, in the last 1,000 decisions",
    isNumber: true,
    sortBy: hitRatioOf,
    cell: (endpoint) =>
      html`${percent(hitRatioOf(endpoint))}<small
          >${counted(endpoint.answers?.answers ?? 0, "answer")}</small
        >`,
  },
  {
    title: "TTFT",
    hint: "Mean time to first token, in the last 1,000 decisions",
    isNumber: true,
    sortBy: ttftMsOf,
    cell: (endpoint) => duration(ttftMsOf(endpoint)),
  },
  {
    title: "Prefill",
    hint: "Prompt tokens per second that the picker has learned; assumed until it has seen answers",
    isNumber: true,
    sortBy: ({ prefillTokensPerSecond }) => prefillTokensPerSecond,
    cell: ({ prefillTokensPerSecond: speed, isSpeedLearned }) =>
      isKnown(speed)
        ? html`${whole(speed)}/s<small>${isSpeedLearned ? "learned" : "assumed"}</small>`
        : "–",
  },
  {
    title: "Signals",
    hint: "Age of the engine's last report",
    isNumber: true,
    sortBy: ({ signalsAgeMs }) => signalsAgeMs,
    cell: signals,
  },
];

/** @param {LiveEndpoint} endpoint */
function standing(endpoint) {
  const severity = severityOf(endpoint);
  return html`<span class="standing ${severity}"
      ><span class="mark" aria-hidden="true"></span>${endpoint.standing}</span
    >${endpoint.takesRequests ? nothing : html`<small>takes no requests</small>`}${
      endpoint.evidence.length === 0
        ? nothing
        : html`<small>${endpoint.evidence.join(", ")}</small>`
    }`;
}

/** @param {LiveEndpoint} endpoint */
function signals({ signalsAgeMs, signalsTrust, scrapeState, scrapeFailure, missingSignals }) {
  const age = isKnown(signalsAgeMs) ? duration(signalsAgeMs) : "never";
  const notes = [
    ...(scrapeFailure === undefined ? [] : [scrapeFailure]),
    ...(missingSignals.length === 0 ? [] : [`without ${missingSignals.join(", ")}`]),
    ...(scrapeState === "read" && signalsTrust < 0.99 ? [`trusted ${percent(signalsTrust)}`] : []),
  ];
  return html`${age}${notes.map((note) => html`<small class="note">${note}</small>`)}`;
}

/**
 * @param {LivePage} page
 * @param {PoolChoice} choice
 * @param {(changes: Partial<PoolChoice>) => void} onChoice
 */
export function poolView(page, choice, onChoice) {
  return html`
    ${attention(page)} ${tiles(page)} ${endpointTable(page.endpoints, choice, onChoice)}
    ${leftOut(page)} ${followed(page)}
  `;
}

/** @param {LivePage} page */
function attention(page) {
  const findings = findingsOf(page);
  if (findings.length === 0) {
    return html`<p class="finding good">
      <span class="mark" aria-hidden="true"></span>Nothing needs attention.
    </p>`;
  }
  return html`<section aria-labelledby="attention">
    <h2 id="attention">Needs attention</h2>
    <ul class="findings">
      ${findings.map(
        ({ severity, text, href }) =>
          html`<li class="finding ${severity}">
            <span class="mark" aria-hidden="true"></span
            >${href === "#/pool" ? text : html`<a href=${href}>${text}</a>`}
          </li>`,
      )}
    </ul>
  </section>`;
}

/** @param {LivePage} page */
function tiles({ endpoints, queues, decisionCount }) {
  /** @param {(endpoint: LiveEndpoint) => number | null | undefined} valueOf */
  const sum = (valueOf) =>
    endpoints.reduce((total, endpoint) => total + (valueOf(endpoint) ?? 0), 0);
  const takers = endpoints.filter(({ takesRequests }) => takesRequests);
  const ages = takers.map(({ signalsAgeMs }) => signalsAgeMs).filter(isKnown);
  const promptTokens = sum(({ answers }) => answers?.promptTokens);
  const cachedTokens = sum(({ answers }) => answers?.cachedTokens);
  return html`<dl class="tiles">
    ${tile("Endpoints taking requests", whole(takers.length), `of ${whole(endpoints.length)}`)}
    ${tile("Waiting at engines", whole(sum(({ waitingRequests }) => waitingRequests)))}
    ${tile("Running", whole(sum(({ runningRequests }) => runningRequests)))}
    ${tile("In flight", whole(sum(({ inFlightRequests }) => inFlightRequests)))}
    ${tile("Held in the queue", queues.enabled ? whole(queues.waitingRequests) : "off")}
    ${tile("Prompt tokens from caches", percent(cachedTokens / promptTokens))}
    ${tile("Oldest signals", ages.length === 0 ? "–" : duration(ages.reduce((a, b) => Math.max(a, b), 0)))}
    ${tile("Decisions since the start", whole(decisionCount))}
  </dl>`;
}

/**
 * @param {readonly LiveEndpoint[]} endpoints
 * @param {PoolChoice} choice
 * @param {(changes: Partial<PoolChoice>) => void} onChoice
 */
function endpointTable(endpoints, choice, onChoice) {
  if (endpoints.length === 0) return html`<p class="empty">No endpoints.</p>`;
  const { sort, search, isTroubleOnly } = choice;
  const found = searched(
    isTroubleOnly ? endpoints.filter((endpoint) => severityOf(endpoint) !== "good") : endpoints,
    search,
    ({ id, address, engine, standing: text }) => `${id} ${address} ${engine ?? ""} ${text}`,
  );
  const column = columns.find(({ title }) => title === sort.key);
  const byName = sorted(found, ({ id }) => id, false);
  const ordered = sorted(byName, column?.sortBy ?? (({ id }) => id), sort.isDescending);
  const page = pageOf(ordered, choice.pageIndex);
  return html`
    <div class="controls">
      <label>
        Find an endpoint
        <input
          type="search"
          .value=${search}
          @input=${(/** @type {InputEvent} */ event) => onChoice({ search: textIn(event), pageIndex: 0 })}
        />
      </label>
      <label class="check">
        <input
          type="checkbox"
          .checked=${isTroubleOnly}
          @change=${() => onChoice({ isTroubleOnly: !isTroubleOnly, pageIndex: 0 })}
        />
        Only those that need attention
      </label>
      ${pager({ ...page, count: found.length }, onChoice)}
    </div>
    ${table({
      caption: "Endpoints",
      columns,
      sort,
      onSort: (next) => onChoice({ sort: next, pageIndex: 0 }),
      body: page.rows.map((row) => rowOf(columns, row)),
    })}
    ${found.length === 0 ? html`<p class="empty">No endpoint matches.</p>` : nothing}
  `;
}

/** @param {InputEvent} event */
function textIn({ target }) {
  return target instanceof HTMLInputElement ? target.value : "";
}

/**
 * @param {{ page: number, last: number, start: number, count: number, rows: readonly unknown[] }} shown
 * @param {(changes: Partial<PoolChoice>) => void} onChoice
 */
function pager({ page, last, start, count, rows }, onChoice) {
  if (count <= pageRows) return html`<span class="pages">${whole(count)} shown</span>`;
  return html`<nav class="pages" aria-label="Pages of endpoints">
    <button type="button" ?disabled=${page === 0} @click=${() => onChoice({ pageIndex: page - 1 })}>
      Previous
    </button>
    <span>${whole(start + 1)} to ${whole(start + rows.length)} of ${whole(count)}</span>
    <button
      type="button"
      ?disabled=${page === last}
      @click=${() => onChoice({ pageIndex: page + 1 })}
    >
      Next
    </button>
  </nav>`;
}

/** @typedef {LivePage["pool"]["excluded"][number]} LeftOut */

/** @type {readonly Column<LeftOut>[]} */
const leftOutColumns = [
  { title: "Left out", cell: ({ namespace, name }) => `${namespace}/${name}` },
  {
    title: "Why",
    cell: ({ reason, detail }) => (detail === undefined ? reason : `${reason} (${detail})`),
  },
];

/** @param {LivePage} page */
function leftOut({ pool: { excluded, excludedCount } }) {
  if (excludedCount === 0) return nothing;
  const more = excludedCount - excluded.length;
  return html`${plainTable("Left out of the pool", leftOutColumns, excluded)}
  ${more > 0 ? html`<p>${whole(more)} more are not shown.</p>` : nothing}`;
}

/** @type {readonly Column<LivePage["pool"]["follows"][number]>[]} */
const followedColumns = [
  { title: "Followed", cell: ({ what }) => what },
  { title: "State", cell: ({ state }) => state },
  {
    title: "Last word",
    isNumber: true,
    cell: ({ contactAgeMs: age }) => (age === null ? "never" : `${duration(age)} ago`),
  },
  { title: "Failure", cell: ({ failure }) => failure ?? "–" },
];

/** @param {LivePage} page */
function followed({ pool: { follows } }) {
  return follows.length === 0
    ? nothing
    : plainTable("Followed in the cluster", followedColumns, follows);
}
