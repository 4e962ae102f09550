import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aFlowPlan } from "#test/support/queue-rig.ts";
import { envoyConfigOf, type EnvoyConfigOptions } from "../demo/envoy-config.ts";
import { checkEnvoyTimeouts } from "./envoy-timeouts.ts";

const minute = aFlowPlan();
const unbounded = aFlowPlan({ bands: [{ ttlMs: Number.POSITIVE_INFINITY }] });

function envoyOf(options: Partial<EnvoyConfigOptions>): string {
  const address = { address: "127.0.0.1", port: 1 };
  return JSON.stringify(
    envoyConfigOf({
      listener: address,
      pickers: [address],
      pickerTls: false,
      routing: { kind: "original-dst" },
      accessLogFile: "/dev/null",
      ...options,
    }),
  );
}

function mistakesIn(text: string, plan = minute, waitTimeoutMs = 0): readonly string[] {
  const found = checkEnvoyTimeouts(text, { plan, waitTimeoutMs });
  if (found.kind === "unreadable") throw new Error(found.reasons.join("; "));
  return found.mistakes;
}

const filter =
  "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[0].typed_config";
const ends = "ends requests that wait: waits may take 62 s (flowControl)";

const idlePath = (index: number) =>
  `routeConfig.virtualHosts[0].routes[${index}].route.idle_timeout`;

const managerOf = (parts: string) => `
"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
${parts}
routeConfig: {virtualHosts: [{routes: [{route: {cluster: models, timeout: 1s}}, {route: {cluster: models, timeout: 0s, idleTimeout: 30s}}, {redirect: {}}]}]}
`;

/** A listener with a picker on one of two routes, the parts of which come by themselves. */
const dumpOf = (manager: object, route: object = {}) =>
  JSON.stringify({
    configs: [
      {
        "@type": "x.BootstrapConfigDump",
        bootstrap: { routes: [{ route: { cluster: "own" } }] },
      },
      {
        "@type": "x.ListenersConfigDump",
        listener: {
          "@type": "x.HttpConnectionManager",
          rds: { route_config_name: "r" },
          http_filters: [
            {
              name: "p",
              disabled: true,
              typed_config: {
                "@type": "x.ext_proc.v3.ExternalProcessor",
                message_timeout: "10s",
                processing_mode: { request_body_mode: "BUFFERED" },
              },
            },
          ],
          ...manager,
        },
      },
      {
        "@type": "x.RoutesConfigDump",
        route_config: {
          name: "r",
          virtual_hosts: [
            {
              routes: [
                { match: {}, route: { cluster: "shop" } },
                {
                  match: {},
                  route: { cluster: "pool", ...route },
                  typed_per_filter_config: { p: { "@type": "x.FilterConfig" } },
                },
              ],
            },
          ],
        },
      },
    ],
  });

describe("a dump of Envoy", () => {
  const tenMinutes = aFlowPlan({ bands: [{ ttlMs: 600_000 }] });

  it("is checked where a picker is asked, with the idle time of its listener", () => {
    const idle = "configs[2].route_config.virtual_hosts[0].routes[1].route.idle_timeout";
    const filterPath = "configs[1].listener.http_filters[0].typed_config.message_timeout";
    const found = mistakesIn(dumpOf({}), tenMinutes);
    expect(found.map((mistake) => mistake.split(": ", 1)[0])).toEqual([filterPath, idle]);
    for (const [manager, route] of [
      [{ stream_idle_timeout: "0s" }, {}],
      [{}, { idle_timeout: "900s" }],
    ] as const) {
      const [only, ...others] = mistakesIn(dumpOf(manager, route), tenMinutes);
      expect([only?.startsWith(filterPath), others]).toEqual([true, []]);
    }
  });
});

describe("timeouts of Envoy", () => {
  it("are in order in the configuration of behind-envoy.md", () => {
    const page = readFileSync("docs/behind-envoy.md", "utf8");
    const shown = page.slice(
      page.indexOf("<!-- envoy: begin -->"),
      page.indexOf("<!-- envoy: end -->"),
    );
    const blocks = [...shown.matchAll(/```yaml\n(.*?)```/gs)].map(([, block]) => block);
    expect(mistakesIn(blocks.join(""))).toEqual([]);
  });

  it("end waits if the message timeout is shorter and bodies are buffered", () => {
    const buffered = { requestBodyMode: "BUFFERED", messageTimeoutSeconds: 60 } as const;
    expect(mistakesIn(envoyOf(buffered))).toEqual([`${filter}.message_timeout: 60 s ${ends}`]);
    expect(mistakesIn(envoyOf({ ...buffered, messageTimeoutSeconds: 63 }))).toEqual([]);
    expect(mistakesIn(envoyOf({ messageTimeoutSeconds: 1 }))).toEqual([]);
  });

  it("end waits by the message timeout that Envoy has by default", () => {
    const text = `
http_filters:
- typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
    processing_mode: {request_body_mode: BUFFERED}
`;
    expect(mistakesIn(text)).toEqual([
      `http_filters[0].typed_config.message_timeout: 200 ms ${ends}`,
    ]);
  });

  it.each([
    [120, 100_000, []],
    [120, 60_000, [`${filter}.max_message_timeout: 60 s ${ends}`]],
    [
      50,
      100_000,
      [
        `${filter}.max_message_timeout: 50 s is allowed, so Envoy ignores the 100 s of --max-message-timeout`,
        `${filter}.message_timeout: 1 s ${ends}`,
      ],
    ],
    [
      undefined,
      100_000,
      [
        `${filter}.max_message_timeout: none is allowed, so Envoy ignores the 100 s of --max-message-timeout`,
        `${filter}.message_timeout: 1 s ${ends}`,
      ],
    ],
  ])(
    "that the picker asks for count if Envoy allows them: %s s, %s ms",
    (allowed, asked, expected) => {
      const options = { requestBodyMode: "BUFFERED", messageTimeoutSeconds: 1 } as const;
      const maximum = allowed === undefined ? {} : { maxMessageTimeoutSeconds: allowed };
      expect(mistakesIn(envoyOf({ ...options, ...maximum }), minute, asked)).toEqual(expected);
    },
  );

  it("of idle streams end waits, by default too", () => {
    const own = `${idlePath(1)}: 30 s ${ends}`;
    expect(mistakesIn(managerOf(""))).toEqual([own]);
    expect(mistakesIn(managerOf("stream_idle_timeout: 61s"))).toEqual([
      `${idlePath(0)}: 61 s ${ends}`,
      own,
    ]);
    expect(mistakesIn(managerOf(""), unbounded)).toEqual([
      `${idlePath(0)}: 300 s, Envoy's default, ends requests that wait: waits may have no bound (flowControl)`,
      `${idlePath(1)}: 30 s ends requests that wait: waits may have no bound (flowControl)`,
    ]);
  });

  it("are no matter if no request waits", () => {
    const text = envoyOf({ requestBodyMode: "BUFFERED", messageTimeoutSeconds: 3 });
    expect(checkEnvoyTimeouts(text, { plan: undefined, waitTimeoutMs: 0 })).toEqual({
      kind: "checked",
      mistakes: [],
    });
  });

  it("are found in resources of a cluster", () => {
    const text = `
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
spec: {extProc: [{processingMode: {request: {body: Buffered}}, messageTimeout: 1s}, {processingMode: {request: {body: FullDuplexStreamed}}}]}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
spec:
  configPatches:
  - patch:
      value:
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
          messageTimeout: 2s
          processingMode: {requestBodyMode: STREAMED}
`;
    expect(mistakesIn(text)).toEqual([
      `[0].spec.extProc[0].message_timeout: 1 s ${ends}`,
      `[1].spec.configPatches[0].patch.value.typed_config.message_timeout: 2 s ${ends}`,
    ]);
  });

  it.each([
    ["a: [", "line 1"],
    ["{", "JSON"],
    ["a: 1", "there is no external processor and no route in it"],
    ["", "there is no external processor and no route in it"],
  ])("cannot be read in %j", (text, reason) => {
    const found = checkEnvoyTimeouts(text, { plan: minute, waitTimeoutMs: 0 });
    expect(found).toMatchObject({
      kind: "unreadable",
      reasons: [expect.stringContaining(reason)],
    });
  });

  it("are looked for in any values", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        expect(checkEnvoyTimeouts(text, { plan: minute, waitTimeoutMs: 0 }).kind).toMatch(
          /^(checked|unreadable)$/,
        );
      }),
    );
  });
});
