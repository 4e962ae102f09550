import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { placeAbove } from "../std/place-above.ts";
import type { AdminGuard, AdminPage } from "./admin-server.ts";

/** Files of the page, which browsers get unchanged. */
export const uiFileNames = [
  "icon.svg",
  "style.css",
  "main.js",
  "app.js",
  "attention.js",
  "config-view.js",
  "decision-view.js",
  "decisions-view.js",
  "format.js",
  "frame.js",
  "hits-view.js",
  "live-feed.js",
  "pool-view.js",
  "queues-view.js",
  "rows.js",
  "shadow-view.js",
  "table.js",
] as const;

/** Files of the package lit-html that these import, below `lit/`. */
export const litFileNames = [
  "lit-html.js",
  "directive.js",
  "directive-helpers.js",
  "directives/repeat.js",
] as const;

const contentTypes: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/**
 * The page loads nothing from other hosts and runs no inline script. Text from engines and requests cannot become HTML by
 * mistake: only the templates of lit-html can.
 */
const securityHeaders = {
  "content-security-policy": [
    "default-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types lit-html",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-cache",
} as const;

const pagePath = "/ui";
const filePaths: ReadonlySet<string> = new Set([
  ...uiFileNames.map((name) => `${pagePath}/${name}`),
  ...litFileNames.map((name) => `${pagePath}/lit/${name}`),
]);

type UiPages = Readonly<Record<string, () => AdminPage | Promise<AdminPage>>>;

/** The live page and its files. They are read when a browser first asks for them. */
export function uiPages(): UiPages {
  const folder = uiFolder();
  const files = [
    ...uiFileNames.map((name) => [`${pagePath}/${name}`, path.join(folder, name)] as const),
    ...litFileNames.map(
      (name) => [`${pagePath}/lit/${name}`, () => path.join(litFolder(folder), name)] as const,
    ),
  ];
  return {
    [pagePath]: fileAt(path.join(folder, "index.html")),
    [`${pagePath}/`]: () => ({
      httpStatus: 308,
      contentType: "text/plain; charset=utf-8",
      body: "see /ui\n",
      headers: { location: "../ui" },
    }),
    ...Object.fromEntries(files.map(([url, file]) => [url, fileAt(file)])),
  };
}

function uiFolder(): string {
  return placeAbove(import.meta.dirname, "ui");
}

/** A build has copies in the page's folder, and a checkout has the package. */
function litFolder(folder: string): string {
  const copied = path.join(folder, "lit", "lit-html.js");
  return existsSync(copied) ? path.dirname(copied) : placeAbove(folder, "node_modules/lit-html");
}

function fileAt(place: string | (() => string)): () => Promise<AdminPage> {
  let page: Promise<AdminPage> | undefined;
  return () => (page ??= read(typeof place === "string" ? place : place()));
}

async function read(file: string): Promise<AdminPage> {
  return {
    httpStatus: 200,
    contentType: contentTypes[path.extname(file)] ?? "application/octet-stream",
    headers: securityHeaders,
    body: await readFile(file, "utf8"),
  };
}

/**
 * A guard that lets a browser ask for a token: it sends none by itself. The page holds no data, so a refusal of it has the
 * page as its body, and the files of the page are open.
 */
export function askingForToken(guard: AdminGuard): AdminGuard {
  const page = fileAt(path.join(uiFolder(), "index.html"));
  return async (asked, authorization) => {
    if (filePaths.has(asked)) return undefined;
    const refusal = await guard(asked, authorization);
    if (refusal === undefined || asked !== pagePath) return refusal;
    const shown = await page();
    const headers = { ...shown.headers, ...refusal.headers };
    return { ...shown, headers, httpStatus: refusal.httpStatus };
  };
}
