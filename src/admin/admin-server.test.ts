import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import {
  type AdminGuard,
  type AdminPages,
  AdminServer,
  jsonPage,
  textPage,
} from "./admin-server.ts";

const opened: AdminServer[] = [];
const logged: object[] = [];
const log = { error: (fields: object) => void logged.push(fields) };

afterEach(async () => {
  await Promise.all(opened.splice(0).map((server) => server.close()));
});

async function listening(
  pages: AdminPages,
  guard?: AdminGuard,
): Promise<{ port: number; url: string }> {
  const server = new AdminServer({ pages, guard }, log);
  opened.push(server);
  const port = await server.listen("127.0.0.1", 0);
  return { port, url: `http://127.0.0.1:${port}` };
}

/** The answer to a request as it goes over the wire, for targets that `fetch` would not send. */
async function answerTo(port: number, requestLine: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.write(`${requestLine}\r\nhost: admin\r\nconnection: close\r\n\r\n`);
  return text(socket);
}

describe("the admin server", () => {
  const pages: AdminPages = {
    "/healthz": () => textPage(200, "ok\n"),
    "/readyz": () => textPage(503, "not ready\n"),
    "/debug/pool": () => Promise.resolve(jsonPage({ name: "é", empty: null })),
  };

  it("answers with the page of a path, its status, type and length", async () => {
    const { url } = await listening(pages);
    const ready = await fetch(`${url}/readyz`);
    expect(ready.status).toBe(503);
    expect(ready.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await ready.text()).toBe("not ready\n");

    const pool = await fetch(`${url}/debug/pool`);
    expect(pool.status).toBe(200);
    expect(pool.headers.get("content-type")).toBe("application/json");
    const body = await pool.text();
    expect(JSON.parse(body)).toEqual({ name: "é", empty: null });
    expect(pool.headers.get("content-length")).toBe(String(Buffer.byteLength(body)));
  });

  it("makes a page anew for every request", async () => {
    let count = 0;
    const { url } = await listening({ "/": () => textPage(200, String((count += 1))) });
    expect(await (await fetch(url)).text()).toBe("1");
    expect(await (await fetch(url)).text()).toBe("2");
  });

  it("looks at the path alone", async () => {
    const { port, url } = await listening(pages);
    expect((await fetch(`${url}/healthz?verbose=1`)).status).toBe(200);
    expect(await answerTo(port, "GET http://elsewhere/healthz HTTP/1.1")).toMatch(/^HTTP\/1.1 200/);
  });

  it("answers HEAD with the head alone", async () => {
    const { url } = await listening(pages);
    const head = await fetch(`${url}/healthz`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "3"]);
    expect(await head.text()).toBe("");
  });

  it.each(["/nothing", "/", "/healthz/", "/__proto__", "/constructor"])(
    "lists its pages where there is no %s",
    async (path) => {
      const { url } = await listening(pages);
      const answer = await fetch(`${url}${path}`);
      expect(answer.status).toBe(404);
      expect(await answer.text()).toBe(
        `${path} not found; pages are\n/healthz\n/readyz\n/debug/pool\n`,
      );
    },
  );

  it("answers a target that is no URL with 404", async () => {
    const { port } = await listening(pages);
    expect(await answerTo(port, "GET // HTTP/1.1")).toMatch(/^HTTP\/1.1 404 /);
    expect(await answerTo(port, "GET //[ HTTP/1.1")).toMatch(/^HTTP\/1.1 404 /);
  });

  it.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("answers %s with 405", async (method) => {
    const { url } = await listening(pages);
    const answer = await fetch(`${url}/healthz`, { method });
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe("GET, HEAD");
    expect(await answer.text()).toBe("only GET is allowed\n");
  });

  it.each([
    {
      how: "throws",
      page: () => {
        throw new Error("broken");
      },
    },
    { how: "rejects", page: () => Promise.reject(new Error("broken")) },
  ])("answers 500 where a page $how, logs why, and goes on answering", async ({ page }) => {
    const { url } = await listening({ ...pages, "/broken": page });
    logged.length = 0;
    expect((await fetch(`${url}/broken`)).status).toBe(500);
    expect(logged).toMatchObject([{ path: "/broken", err: { message: "broken" } }]);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it("answers what its guard says in place of a page", async () => {
    const asked: unknown[] = [];
    const guard: AdminGuard = (path, authorization) => {
      asked.push([path, authorization]);
      const refusal = { ...textPage(401, "who?\n"), headers: { "www-authenticate": "Bearer" } };
      return Promise.resolve(authorization === undefined ? refusal : undefined);
    };
    const { url } = await listening(pages, guard);
    const refused = await fetch(`${url}/debug/pool?x=1`);
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    expect(await refused.text()).toBe("who?\n");
    const allowed = await fetch(`${url}/debug/pool`, { headers: { authorization: "Bearer t" } });
    expect(allowed.status).toBe(200);
    expect(asked).toEqual([
      ["/debug/pool", undefined],
      ["/debug/pool", "Bearer t"],
    ]);
  });

  it("says in one line that a port is in use", async () => {
    const { port } = await listening(pages);
    const second = new AdminServer({ pages }, log);
    opened.push(second);
    await expect(second.listen("127.0.0.1", port)).rejects.toThrow(
      new Error(`cannot listen on 127.0.0.1:${port}: the port is in use`),
    );
  });

  it("says in one line why else it cannot listen", async () => {
    const server = new AdminServer({ pages }, log);
    opened.push(server);
    // 192.0.2.0/24 is set aside for documentation: no machine has such an address.
    await expect(server.listen("192.0.2.1", 0)).rejects.toThrow(
      /^cannot listen on 192\.0\.2\.1:0: ./,
    );
  });

  it("closes at once, also with connections open and where it never listened", async () => {
    const server = new AdminServer({ pages }, log);
    const port = await server.listen("127.0.0.1", 0);
    await (await fetch(`http://127.0.0.1:${port}/healthz`)).text();
    await server.close();
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow(/fetch failed/);
    await new AdminServer({ pages }, log).close();
  });
});

async function opening(guard?: AdminGuard): Promise<string> {
  const pages: AdminPages = {
    "/explain/*": (_query, { path, accept }) => textPage(200, `${path} ${accept}`),
  };
  const posts = {
    "/explain": (body: Buffer, query: URLSearchParams) =>
      textPage(200, `${body.length} ${query.get("path") ?? ""}`),
  };
  const server = new AdminServer({ pages, posts, guard }, log);
  opened.push(server);
  return `http://127.0.0.1:${await server.listen("127.0.0.1", 0)}`;
}

describe("pages below a path, and pages that answer to a body", () => {
  it.each([
    { method: "GET", path: "/explain/a%2Fb", status: 200, text: "/explain/a%2Fb text/plain" },
    { method: "GET", path: "/explain/a/b", status: 200, text: "/explain/a/b text/plain" },
    { method: "GET", path: "/explain/", status: 404, text: "/explain/ not found" },
    { method: "GET", path: "/explain", status: 405, text: "/explain answers to POST" },
    { method: "POST", path: "/explain?path=/v1", status: 200, text: "5 /v1" },
    { method: "POST", path: "/explain/a", status: 405, text: "only GET is allowed" },
    { method: "PUT", path: "/explain", status: 405, text: "only POST is allowed" },
  ])("answer $method $path with $status", async ({ method, path, status, text: expected }) => {
    const url = await opening();
    const init: RequestInit = { method, headers: { accept: "text/plain" } };
    if (method !== "GET") init.body = "hello";
    const response = await fetch(`${url}${path}`, init);
    expect(response.status).toBe(status);
    expect(await response.text()).toContain(expected);
  });

  it("are guarded under the path without its end, and read no body of a stranger", async () => {
    const guarded: string[] = [];
    const url = await opening((path) => {
      guarded.push(path);
      return Promise.resolve(textPage(401, "no\n"));
    });
    expect((await fetch(`${url}/explain/x`)).status).toBe(401);
    expect((await fetch(`${url}/explain`, { method: "POST", body: "b" })).status).toBe(401);
    expect(guarded).toEqual(["/explain", "/explain"]);
  });

  it("refuse a body of more than 8 MiB", async () => {
    const url = await opening();
    const body = Buffer.alloc(8 * 1024 * 1024 + 1);
    const status = await fetch(`${url}/explain`, { method: "POST", body }).then(
      (response) => response.status,
      // The connection may break while the rest of the body is sent.
      () => 413,
    );
    expect(status).toBe(413);
  });
});
