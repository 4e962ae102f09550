import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { defineConfig, type Plugin } from "rolldown";
import { litFileNames, uiFileNames } from "./src/admin/ui-pages.ts";

/** Licences that allow a package to be passed on as a part of this one, if their text goes with it. */
const licencesAllowed = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
  "Unlicense",
]);

const healthProto = "health/v1/health.proto";

/**
 * grpc-health-check reads its proto file from its own folder, which a bundle does not have: the file goes into the
 * build's folder.
 */
function healthProtoBeside(): Plugin {
  return {
    name: "health-proto",
    transform: {
      filter: { id: /grpc-health-check.*health\.js$/ },
      handler(code) {
        const changed = code.replaceAll(
          /__dirname(.{1,4})\.\.\/\.\.\/proto/gu,
          "import.meta.dirname$1.",
        );
        if (changed.includes("__dirname")) this.error("grpc-health-check reads another file");
        return changed;
      },
    },
    generateBundle() {
      const source = readFileSync(path.join("node_modules/grpc-health-check/proto", healthProto));
      this.emitFile({ type: "asset", fileName: healthProto, source });
    },
  };
}

const lazyHttpNames = new Set(["CloseEvent", "MessageEvent", "WebSocket"]);

/**
 * An `import` of `node:http` reads all of its exports, and three of them load Node's own fetch, which takes as long as
 * a tenth of the start. This one does not read them.
 */
function quickHttp(): Plugin {
  const id = "\0quick-http";
  return {
    name: "quick-http",
    resolveId: {
      filter: { id: /^(?:node:)?https?$/u },
      handler: (source, importer) =>
        importer === undefined || importer.startsWith(id) ? undefined : `${id}:${source}`,
    },
    load: {
      filter: { id: /^\0quick-http:/u },
      handler(module) {
        const name = module.slice(id.length + 1);
        const names = Object.keys(process.getBuiltinModule(name) ?? {});
        const read = names.filter((each) => !lazyHttpNames.has(each));
        return `const all = process.getBuiltinModule(${JSON.stringify(name)});
          export default all;
          export const { ${read.join(", ")} } = all;`;
      },
    },
  };
}

/** The parts of undici that a picker needs: its index also loads fetch, caches, mocks and sockets of the web. */
const undiciParts = { Agent: "dispatcher/agent.js", buildConnector: "core/connect.js" };

function undiciInParts(): Plugin {
  const id = "\0undici-parts";
  return {
    name: "undici-parts",
    resolveId: {
      filter: { id: /^undici$/u },
      handler: (_, importer) =>
        importer !== undefined && /\/src\/(?:control-plane|data-plane)\//u.test(importer)
          ? id
          : undefined,
    },
    load: {
      filter: { id: /^\0undici-parts$/u },
      handler: () =>
        Object.entries(undiciParts)
          .map(([name, file]) => {
            const from = path.resolve("node_modules/undici/lib", file);
            return `export { default as ${name} } from ${JSON.stringify(from)};`;
          })
          .join("\n"),
    },
  };
}

const litFolder = "node_modules/lit-html";

/** The live page's files go to browsers as they are. The maps of lit-html stay behind, so nothing may name them. */
function livePage(): Plugin {
  return {
    name: "live-page",
    generateBundle() {
      const emit = (fileName: string, file: string) => {
        const source = readFileSync(file, "utf8").replace(/^\/\/# sourceMappingURL=.*$/mu, "");
        this.emitFile({ type: "asset", fileName, source });
      };
      for (const name of ["index.html", ...uiFileNames]) {
        emit(`ui/${name}`, path.join("src/admin/ui", name));
      }
      for (const name of litFileNames) emit(`ui/lit/${name}`, path.join(litFolder, name));
    },
  };
}

/** Writes the licences of the bundled packages, which their authors ask for. */
function licenceFile(): Plugin {
  return {
    name: "licences",
    generateBundle(_, bundle) {
      const files = Object.values(bundle).flatMap((chunk) =>
        chunk.type === "chunk" ? chunk.moduleIds : [],
      );
      const folders = new Set([litFolder, ...files.flatMap((file) => packageFolderOf(file) ?? [])]);
      const texts = [...folders].toSorted().map((folder) => licenceOf(folder));
      this.emitFile({
        type: "asset",
        fileName: "licenses.txt",
        source: `Pointsman contains parts of these packages.\n\n${texts.join("\n")}`,
      });
    },
  };
}

/** The folder of the package that a file belongs to; undefined for our own. */
function packageFolderOf(file: string): string | undefined {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/u.exec(file)?.[0];
}

function licenceOf(folder: string): string {
  // Written by npm, which needs these fields itself.
  const { name, version, license } = JSON.parse(
    readFileSync(path.join(folder, "package.json"), "utf8"),
  ) as { name: string; version: string; license?: string };
  const files = readdirSync(folder).filter((file) =>
    /^(?:(?:un)?licen[cs]e|notice|copying)/iu.test(file),
  );
  if (license === undefined || !licencesAllowed.has(license) || files.length === 0) {
    throw new Error(`${name} ${version}: the licence ${license} cannot be passed on`);
  }
  const texts = files.map((file) => readFileSync(path.join(folder, file), "utf8").trim());
  return `${"-".repeat(80)}\n${name} ${version} (${license})\n\n${texts.join("\n\n")}\n`;
}

/**
 * Escapes the few letters beyond ASCII. V8 keeps the source of a loaded module, in one byte for each letter only if all
 * of its letters fit into one.
 */
function oneByteSources(): Plugin {
  return {
    name: "one-byte-sources",
    generateBundle(_, bundle) {
      for (const output of Object.values(bundle)) {
        if (output.type === "chunk") output.code = asciiOf(output.code);
      }
    },
  };
}

function asciiOf(code: string): string {
  return code.replaceAll(
    /[^\0-\x7f]/g,
    (unit) => String.raw`\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

if (!existsSync("src/main.ts")) throw new Error("run the build in the root of the checkout");

/** Programs of the package. Everything else is a part that they share or load when they need it. */
const programs = {
  main: "src/main.ts",
  thread: "src/control-plane/signals/scrape/thread.ts",
  "ext-proc-thread": "src/gateway/ext-proc-thread.ts",
};

export default defineConfig({
  input: programs,
  platform: "node",
  // Of this package, only the reader of kubeconfig files is used; the rest would be three times its size.
  treeshake: {
    moduleSideEffects: [{ test: /node_modules\/@kubernetes\/client-node\//, sideEffects: false }],
  },
  // In step with tsconfig.json: the oldest Node.js of package.json has no `using`.
  transform: { target: "es2023" },
  output: {
    dir: "dist",
    cleanDir: true,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
    // The sources of the packages are a quarter comments; licenses.txt has the licences.
    comments: false,
    // Each file costs time at the start, and every command uses some of these small modules.
    codeSplitting: {
      groups: [
        { name: "common", test: /\/src\/(?:core|std)\// },
        { name: "quick-http", test: /^\0quick-http:/ },
        { name: "engine-flags", test: /\/src\/cli\/(?:engine-tls|scrape)-flags\.ts$/ },
      ],
    },
  },
  plugins: [
    healthProtoBeside(),
    quickHttp(),
    undiciInParts(),
    livePage(),
    licenceFile(),
    oneByteSources(),
  ],
});
