import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { type AdminGuard, textPage } from "./admin-server.ts";
import { askingForToken, litFileNames, uiFileNames, uiPages } from "./ui-pages.ts";

const pages = uiPages();

async function bodyOf(url: string): Promise<string> {
  const page = await pages[url]?.();
  if (page === undefined || typeof page.body !== "string") throw new Error(`no text at ${url}`);
  return page.body;
}

const scripts = Object.keys(pages).filter((url) => url.endsWith(".js"));

describe("the live page's files", () => {
  it("are all that the folder has", () => {
    const files = readdirSync(path.join(import.meta.dirname, "ui")).filter(
      (name) => /\.(?:js|css|html|svg)$/u.test(name) && !name.includes(".test."),
    );
    expect([...uiFileNames, "index.html"].toSorted()).toEqual(files.toSorted());
  });

  it.each(scripts)("have all that %s imports", async (url) => {
    const text = await bodyOf(url);
    const imports = text.matchAll(/^\s*(?:import|export)\b[^"'`;]*from\s*"([^"]+)"/gmu);
    // Comments with `@import` name types, which browsers do not load.
    const names = [...imports].map(([, name = ""]) => new URL(name, `http://admin${url}`).pathname);
    expect(names.filter((name) => !Object.hasOwn(pages, name))).toEqual([]);
  });

  it("have all that the page names", async () => {
    const named = [...(await bodyOf("/ui")).matchAll(/(?:src|href)="([^"]+)"/gu)];
    const paths = named.map(([, name = ""]) => new URL(name, "http://admin/ui").pathname);
    expect(paths).toEqual(["/ui/icon.svg", "/ui/style.css", "/ui/main.js"]);
    expect(paths.filter((name) => !Object.hasOwn(pages, name))).toEqual([]);
  });

  it.each(Object.keys(pages).filter((url) => !url.endsWith("/")))(
    "forbid other hosts, inline scripts and frames: %s",
    async (url) => {
      const page = await pages[url]?.();
      expect(page?.httpStatus).toBe(200);
      const policy = page?.headers?.["content-security-policy"] ?? "";
      expect(policy).toContain("default-src 'self'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|\*|https?:/u);
      expect(page?.headers?.["x-content-type-options"]).toBe("nosniff");
    },
  );

  it("hold no inline script or style", async () => {
    const html = await bodyOf("/ui");
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/u);
  });

  it("are read once", async () => {
    expect(await pages["/ui/main.js"]?.()).toBe(await pages["/ui/main.js"]?.());
  });

  it("lead from the folder to the page", async () => {
    expect(await pages["/ui/"]?.()).toMatchObject({
      httpStatus: 308,
      headers: { location: "../ui" },
    });
  });
});

describe("a guard that asks for a token", () => {
  const asked: string[] = [];
  const strict: AdminGuard = (asks, authorization) => {
    asked.push(asks);
    const refusal = { ...textPage(401, "who?\n"), headers: { "www-authenticate": "Bearer" } };
    return Promise.resolve(authorization === undefined ? refusal : undefined);
  };
  const guard = askingForToken(strict);

  it("refuses the page with its status, and with the page as its body", async () => {
    const page = await guard("/ui", undefined);
    expect(page).toMatchObject({
      httpStatus: 401,
      body: await bodyOf("/ui"),
      headers: { "www-authenticate": "Bearer", "x-content-type-options": "nosniff" },
    });
    expect(await guard("/ui", "Bearer t")).toBeUndefined();
  });

  it.each([
    ...uiFileNames.map((name) => `/ui/${name}`),
    ...litFileNames.map((name) => `/ui/lit/${name}`),
  ])("leaves %s open, which has no data", async (url) => {
    asked.length = 0;
    expect(await guard(url, undefined)).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it.each(["/metrics", "/debug/live", "/debug/pool", "/ui/", "/ui/../debug/pool", "/ui/other"])(
    "is as strict as before for %s",
    async (url) => {
      expect((await guard(url, undefined))?.body).toBe("who?\n");
    },
  );
});
