import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createServer } from "node:http";
import { AdminServer } from "./admin-server.ts";
import { acceptsGzip, sendChunks } from "./chunked-page.ts";

const opened: AdminServer[] = [];
const logged: object[] = [];
const log = { error: (fields: object) => void logged.push(fields) };

afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.close()));
});

/** A server with one page, and what became of the page's chunks. */
async function serving(makeChunks: () => AsyncGenerator<string>) {
  const begun = { pages: 0, left: 0 };
  async function* followed() {
    begun.pages += 1;
    try {
      yield* makeChunks();
    } finally {
      begun.left += 1;
    }
  }
  const pages = {
    "/metrics": () => ({ httpStatus: 200, contentType: "text/plain", body: followed() }),
  };
  const server = new AdminServer({ pages }, log);
  opened.push(server);
  logged.length = 0;
  const port = await server.listen("127.0.0.1", 0);
  return { port, url: `http://127.0.0.1:${port}/metrics`, begun };
}

async function* three() {
  yield* ["a é\n", "b\n", "c\n"];
}

/** Never ends: only its reader can end it. */
async function* endless() {
  for (;;) yield "x".repeat(100_000);
}

describe("a page in chunks", () => {
  it.each([
    ["gzip", "gzip"],
    ["GZIP;q=0.5, identity", "gzip"],
    ["identity", null],
    ["gzip;q=0", null],
    ["br", null],
  ])("arrives whole for accept-encoding %s, as %s", async (accepted, encoding) => {
    const { url } = await serving(three);
    const answer = await fetch(url, { headers: { "accept-encoding": accepted } });
    expect(answer.headers.get("content-encoding")).toBe(encoding);
    expect(answer.headers.get("vary")).toBe("accept, accept-encoding");
    expect(answer.headers.get("content-length")).toBeNull();
    expect(await answer.text()).toBe("a é\nb\nc\n");
  });

  it("is not begun for HEAD", async () => {
    const { url, begun } = await serving(three);
    const answer = await fetch(url, { method: "HEAD" });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/plain"]);
    expect(begun.pages).toBe(0);
  });

  it("comes to readers of HTTP/1.0, which know no chunks", async () => {
    const { port } = await serving(three);
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /metrics HTTP/1.0\r\n\r\n");
    let answer = "";
    for await (const piece of socket.setEncoding("utf8")) answer += piece;
    expect(answer.split("\r\n\r\n")[1]).toBe("a é\nb\nc\n");
  });

  it.each([["plain"], ["gzip"]])(
    "ends when its reader leaves, without a word (%s)",
    async (coding) => {
      const { port, begun } = await serving(endless);
      const socket = connect(port, "127.0.0.1");
      socket.write(`GET /metrics HTTP/1.1\r\nhost: a\r\naccept-encoding: ${coding}\r\n\r\n`);
      await once(socket, "data");
      socket.destroy();
      await expect.poll(() => begun.left).toBe(1);
      expect(logged).toEqual([]);
    },
  );

  it("is cut off where its reader takes nothing for a while", async () => {
    let left = 0;
    async function* followed() {
      try {
        yield* endless();
      } finally {
        left += 1;
      }
    }
    const server = createServer((request, response) => {
      const page = { httpStatus: 200, headers: {}, chunks: followed() };
      void sendChunks({ request, response }, page, 50);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = server.address();
    const socket = connect(typeof address === "object" ? (address?.port ?? 0) : 0, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    await once(socket, "readable");
    await expect.poll(() => left, { timeout: 5_000 }).toBe(1);
    socket.destroy();
    server.close();
  });

  it("is cut, logged, and no other is harmed, where it fails on the way", async () => {
    const { url } = await serving(async function* failing() {
      yield "a\n";
      throw new Error("broken");
    });
    await expect(fetch(url).then((answer) => answer.text())).rejects.toThrow(
      /terminated|fetch failed/,
    );
    expect(logged).toMatchObject([{ path: "/metrics", err: { message: "broken" } }]);
  });
});

it.each([
  [undefined, false],
  ["", false],
  ["deflate, gzip", true],
  ["x-gzip", true],
  ["gzip; q=0.000", false],
  ["gzip;q=0.001", true],
  ["*", false],
  ["not-gzip", false],
])("accept-encoding %s permits gzip: %s", (accepted, isPermitted) => {
  expect(acceptsGzip(accepted)).toBe(isPermitted);
});
