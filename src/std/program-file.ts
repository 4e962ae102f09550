/** The program `name` next to the module at `moduleUrl`: TypeScript in a checkout, JavaScript in a build, like the module. */
export function programFile(name: string, moduleUrl: string): URL {
  const extension = moduleUrl.endsWith(".ts") ? "ts" : "js";
  return new URL(`./${name}.${extension}`, moduleUrl);
}
