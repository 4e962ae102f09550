import type { IncomingMessage, ServerResponse } from "node:http";
import { changeSettings, type EngineSettings } from "../engine-settings.ts";
import { parseJsonRecord } from "../json.ts";
import type { EngineServer } from "./engine-server.ts";
import { Listener } from "./listener.ts";
import { pathOf, readBody, replyError, replyJson } from "./replies.ts";

const bodyBytesMax = 65_536;

/**
 * Shows and changes engines while they run:
 *
 *     GET   /engines                   GET   /engines/NAME
 *     PATCH /engines                   PATCH /engines/NAME           settings as a JSON object
 *     POST  /engines/restart           POST  /engines/NAME/restart
 *
 * A patch is checked as a whole before any of it is applied.
 */
export function adminListenerOf(host: string, engines: readonly EngineServer[]): Listener {
  return new Listener(host, (request, response) => {
    void answer(engines, request, response);
  });
}

async function answer(
  engines: readonly EngineServer[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = pathOf(request.url);
  const [, root, ...rest] = path.split("/");
  const isRestart = rest.at(-1) === "restart";
  const [name, ...extra] = isRestart ? rest.slice(0, -1) : rest;
  const chosen = engines.filter((engine) => name === undefined || engine.name === name);
  if (root !== "engines" || extra.length > 0 || chosen.length === 0) {
    replyError(response, { httpStatus: 404, message: `There is no ${path} here.` });
    return;
  }
  const action = `${request.method} ${isRestart ? "restart" : "engines"}`;
  if (action === "PATCH engines") {
    if (!(await patch(chosen, request, response))) return;
  } else if (action === "POST restart") {
    for (const engine of chosen) engine.restart();
  } else if (action !== "GET engines") {
    const message = `${path} does not take ${request.method}.`;
    replyError(response, { httpStatus: 405, message });
    return;
  }
  const states = chosen.map((engine) => engine.state());
  replyJson(response, 200, name === undefined ? { engines: states } : states[0]);
}

/** Applies a patch; false if it has been answered with an error instead. */
async function patch(
  engines: readonly EngineServer[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const body = await readBody(request, bodyBytesMax);
  if (body.kind === "aborted") return false;
  if (body.kind === "too-large") {
    const message = `The request body exceeds ${bodyBytesMax} bytes.`;
    response.setHeader("connection", "close");
    replyError(response, { httpStatus: 413, message });
    return false;
  }
  const parsed = parseJsonRecord(body.text);
  if (parsed.kind === "invalid") {
    replyError(response, { httpStatus: 400, message: parsed.message });
    return false;
  }
  const changes: [engine: EngineServer, settings: EngineSettings][] = [];
  for (const engine of engines) {
    const changed = changeSettings(engine.settings, parsed.record);
    if (changed.kind === "invalid") {
      replyError(response, { httpStatus: 400, message: changed.message });
      return false;
    }
    changes.push([engine, changed.settings]);
  }
  try {
    await Promise.all(changes.map(([engine, settings]) => engine.apply(settings)));
  } catch (error) {
    // Only opening a port can fail, if another program has taken it in the meantime.
    replyError(response, { httpStatus: 500, message: String(error) });
    return false;
  }
  return true;
}
