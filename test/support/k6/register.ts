import { registerHooks } from "node:module";

/** The stand-ins for k6's modules, by the names that scripts import. */
const standIns: Readonly<Record<string, string>> = {
  k6: "./k6.ts",
  "k6/http": "./http.ts",
  "k6/metrics": "./metrics.ts",
  "k6/x/sse": "./sse.ts",
};

/** Makes imports of k6's modules load the stand-ins, for modules that are loaded from now on. */
export function registerStandIns(): void {
  registerHooks({
    resolve(specifier, context, next) {
      const file = standIns[specifier];
      return file === undefined
        ? next(specifier, context)
        : { url: new URL(file, import.meta.url).href, shortCircuit: true };
    },
  });
}
